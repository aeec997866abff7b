"""Noise in place of updates."""

from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.attackers import Attackers
from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context
from fedqml.federated.attack import attack
from fedqml.federated.draws import normal


def gaussian(attackers: Attackers, std: float = 1.0) -> Transform:
    """Let attackers send ``std N(0, 1)`` in each coordinate, drawn anew each round.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.
        std: in the unit of the weights, positive.

    Raises:
        InputError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.ones(3, 1), torch.ones(3), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> (gaussian([2]).apply(u, {}, context)[0].delta == 1).T
        tensor([[ True,  True, False]])

    Source: Blanchard et al., "Machine learning with adversaries: Byzantine tolerant gradient
    descent", NeurIPS 2017, section 5.
    """
    require(std > 0, "std", std, "be positive")

    def forge(
        rows: Float[Tensor, "a d"], clients: Int[Tensor, " a"], context: Context
    ) -> Float[Tensor, "a d"]:
        return std * normal(rows, clients, context, "gaussian")

    return attack(attackers, forge)
