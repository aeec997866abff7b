"""Random shares of a whole, from nearly equal to all for one."""

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaincinv

from fedqml.core.errors import require
from fedqml.core.random import uniform

# Beyond these, all goes to one client, or shares differ by less than a row of 10^7.
_LEAST, _MOST = 1e-300, 1e15


def require_alpha(alpha: float) -> None:
    """Raise ``InputError`` for a concentration that is not between 1e-300 and 1e15."""
    require(_LEAST <= alpha <= _MOST, "alpha", alpha, "be positive, from 1e-300 to 1e15")


def dirichlet_shares(
    alpha: float, clients: int, rng: np.random.Generator
) -> Float64[np.ndarray, " clients"]:
    """Draw the clients' shares of a whole from ``Dir(alpha, ..., alpha)``.

    ``q_k = G_k / sum_j G_j`` with ``G_k ~ Gamma(alpha)``, as logarithms: for small alpha every
    ``G_k`` is less than the smallest number. ``log G = log Gamma(alpha + 1) + log(U) / alpha``.

    Args:
        alpha: concentration; the smaller, the less equal.
        clients: how many shares.
        rng: the random stream.

    Returns:
        Shares that sum to 1.

    Example:
        >>> from fedqml.core.random import stream
        >>> dirichlet_shares(1e-6, 3, stream(0, "x")).round(6).tolist()
        [0.0, 0.0, 1.0]
        >>> dirichlet_shares(1e9, 4, stream(0, "x")).round(3).tolist()
        [0.25, 0.25, 0.25, 0.25]

    Source: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26
        (2000), section 6 (from alpha + 1 to alpha).
    """
    body, tail = uniform(2 * clients, rng).reshape(2, clients)
    logarithm = np.log(gammaincinv(alpha + 1, body)) + np.log(tail) / alpha
    weight = np.exp(logarithm - logarithm.max())
    return weight / weight.sum()
