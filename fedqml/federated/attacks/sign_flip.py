"""Updates with the wrong sign."""

from fedqml.core.attackers import Attackers
from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.federated.attack import attack


def sign_flip(attackers: Attackers, scale: float = 1.0) -> Transform:
    """Let attackers send ``-scale delta_i``.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.
        scale: positive.

    Raises:
        InputError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.ones(3, 1), torch.ones(3), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> sign_flip([2]).apply(u, {}, context)[0].delta.T
        tensor([[ 1.,  1., -1.]])

    Source: Li et al., arXiv:1811.03761 (sign-flipping attack).
    """
    require(scale > 0, "scale", scale, "be positive")
    return attack(attackers, lambda rows, clients, context: -scale * rows)
