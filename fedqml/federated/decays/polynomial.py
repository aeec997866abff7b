"""A power of an update's age."""

import math

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.federated.staleness import Factor


def polynomial(power: float = 0.5) -> Factor:
    """Return ``(1 + s)^-a`` of the staleness s; a = 1/2 in FedBuff.

    Args:
        power: a, at least 0.

    Raises:
        InputError: if ``power`` is out of range.

    Example:
        >>> import torch
        >>> polynomial()(torch.tensor([0.0, 3.0]))
        tensor([1.0000, 0.5000])

    Source: Xie et al., arXiv:1903.03934, section 5.2; Nguyen et al., arXiv:2106.06639, section 5.
    """
    require(0 <= power < math.inf, "power", power, "be finite and at least 0")

    def factor(staleness: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
        return (1 + staleness) ** -power

    return factor
