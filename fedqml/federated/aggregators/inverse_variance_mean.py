"""The mean of updates that count the more, the less they vary."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import collected, reported, sound
from fedqml.federated.columns import combine


def inverse_variance_mean(cap: float = 10.0) -> Transform:
    """Return ``sum_i delta_i / v_i / sum_i 1 / v_i``, v_i the variances that clients report.

    Of all unbiased combinations of independent estimates of one quantity it has the least variance,
    ``1 / sum_i 1 / v_i``. The reports are those of the local rule ``gradient_variance``, and the
    updates such estimates as far as clients have like data and take equal numbers of steps;
    otherwise it leans towards clients whose gradients vary less. Numbers of examples do not count.

    A client counts at most ``cap`` times as much as one of the median variance, also one that
    reports 0. Who reports no variance, as NaN after a single step, counts like that one; where no
    client reports a positive one, all count alike. Breakdown point 0: as in any mean a single row
    can move the result anywhere, and the cap only bounds what a claim adds to that.

    Args:
        cap: see above, at least 1; 1 for clients that can only lose weight by what they report.

    Raises:
        InputError: if ``cap`` is less than 1; before training, if the local rule does not report
            ``gradient_variance``; in a round whose every update is refused.

    Example:
        >>> u = Updates(torch.arange(2), torch.tensor([[0.0], [4.0]]), torch.ones(2), {},
        ...     reports={"gradient_variance": torch.tensor([3.0, 1.0])})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), seed=0)
        >>> inverse_variance_mean().apply(u, {}, context)[0].delta
        tensor([[3.]])

    Source: Aitken, Proc. R. Soc. Edinburgh 55 (1936) 42 (generalised least squares).
    """
    require(cap >= 1, "cap", cap, "be at least 1")

    def apply(updates: Updates, context: Context) -> Updates:
        kept = collected(updates, context)
        variance = reported(kept, "gradient_variance", "inverse_variance_mean").double()
        precision = 1 / _usable(variance, cap)
        return replace(kept, delta=combine((precision / precision.sum())[None], kept.delta))

    return stateless(apply, admit=sound)


def _usable(variance: Float[Tensor, " k"], cap: float) -> Float[Tensor, " k"]:
    """Return the variances, those that are none or too small replaced."""
    positive = variance[variance.isfinite() & (variance > 0)]
    if not len(positive):
        return torch.ones_like(variance)
    typical = positive.median()
    known = variance.isfinite() & (variance >= 0)
    return torch.where(known, variance.clamp(min=float(typical) / cap), typical)
