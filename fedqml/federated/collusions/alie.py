"""Updates that hide within the spread of the honest ones."""

from statistics import NormalDist

from jaxtyping import Float
from torch import Tensor

from fedqml.core.attackers import Attackers
from fedqml.core.transform import Transform
from fedqml.federated.attack import collusion


def alie(attackers: Attackers, z: float | None = None) -> Transform:
    """Let attackers send ``mu + z sigma``, mean and standard deviation of the honest rows.

    ``sigma`` divides by the number of honest rows less one. Left out, z is the paper's: with n
    clients, m of them attackers, and ``s = floor(n / 2 + 1) - m`` honest ones that have to lie
    beyond it, ``Phi(z) = (n - m - s) / (n - m)``.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.
        z: how many standard deviations.

    Raises:
        InputError: if ``attackers`` is out of range; in a round without honest clients.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.tensor([[1.0], [3.0], [9.0]]), torch.ones(3), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> alie([2], z=1.0).apply(u, {}, context)[0].delta.T
        tensor([[1.0000, 3.0000, 3.4142]])

    Source: Baruch et al., arXiv:1902.06156 ("A little is enough").
    """

    def collude(honest: Float[Tensor, "h d"], count: int) -> Float[Tensor, "1 d"]:
        mean = honest.mean(0, keepdim=True)
        spread = (honest - mean).square().sum(0).div(max(1, len(honest) - 1)).sqrt()
        return mean + (_hidden(len(honest), count) if z is None else z) * spread

    return collusion(attackers, collude)


def _hidden(honest: int, attackers: int) -> float:
    beyond = (honest + attackers) // 2 + 1 - attackers
    # Attackers in the majority need nobody; the quantile of 0 or 1 would be infinite.
    share = min(max((honest - beyond) / honest, 0.5 / honest), 1 - 0.5 / honest)
    return NormalDist().inv_cdf(share)
