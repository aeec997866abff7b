"""Full weight up to some age, and less beyond."""

import math

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.federated.staleness import Factor


def hinge(slope: float, free: float) -> Factor:
    """Return ``1 / (1 + a max(0, s - b))`` of the staleness s.

    Args:
        slope: a, at least 0.
        free: b, at least 0: up to this staleness an update counts in full.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> import torch
        >>> hinge(slope=1.0, free=2.0)(torch.tensor([0.0, 2.0, 5.0]))
        tensor([1.0000, 1.0000, 0.2500])

    Source: Xie et al., arXiv:1903.03934, section 5.2, with ``1 / (a (s - b) + 1)`` beyond b.
    """
    for name, value in (("slope", slope), ("free", free)):
        require(0 <= value < math.inf, name, value, "be finite and at least 0")

    def factor(staleness: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        return 1 / (1 + slope * (staleness - free).clamp(min=0))

    return factor
