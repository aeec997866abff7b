"""Bound what a client can send."""

from dataclasses import replace

from fedqml.core.errors import require
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates


def clip(norm: float) -> Transform:
    """Return the transform that scales each row to at most a Euclidean norm.

    ``delta_i <- delta_i min(1, C / ||delta_i||)``

    Args:
        norm: C, positive.

    Raises:
        InputError: if ``norm`` is not positive.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(1), torch.tensor([[3.0, 4.0]]), torch.ones(1), {})
        >>> clip(1.0).apply(u, {}, Context(1, torch.arange(1), torch.zeros(1, 2), 0))[0].delta
        tensor([[0.6000, 0.8000]])

    Source: McMahan et al., arXiv:1710.06963, section 2 (flat clipping).
    """
    require(norm > 0, "norm", norm, "be positive")

    def apply(updates: Updates, context: Context) -> Updates:
        length = updates.delta.norm(dim=1, keepdim=True)
        # Where the row is short the factor is 1 exactly, also for a row of zeros.
        return replace(updates, delta=updates.delta * (norm / length.clamp(min=norm)))

    return stateless(apply)
