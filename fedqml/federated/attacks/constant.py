"""NaN, infinities or huge numbers in place of updates."""

from typing import Literal

import torch

from fedqml.core.attackers import Attackers
from fedqml.core.transform import Transform
from fedqml.federated.attack import attack


def constant(attackers: Attackers, value: Literal["nan", "inf"] | float = "nan") -> Transform:
    """Let attackers send the same number in each coordinate.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.
        value: the number; as texts, those that are none.

    Raises:
        InputError: if ``attackers`` is out of range.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.ones(3, 1), torch.ones(3), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> constant([2], value=1e38).apply(u, {}, context)[0].delta.T
        tensor([[1.0000e+00, 1.0000e+00, 1.0000e+38]])

    Source: the crudest of Byzantine faults, Lamport et al., ACM TOPLAS 4(3), 1982.
    """
    return attack(attackers, lambda rows, _, context: torch.full_like(rows, float(value)))
