"""Copies of one honest client's update."""

from fedqml.core.attackers import Attackers
from fedqml.core.transform import Transform
from fedqml.federated.attack import collusion


def mimic(attackers: Attackers) -> Transform:
    """Let attackers send the row of the honest client with the lowest number.

    Where clients' data differ, robust rules overweight that client's, and no row looks wrong.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.

    Raises:
        InputError: if ``attackers`` is out of range; in a round without honest clients.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.tensor([[1.0], [3.0], [9.0]]), torch.ones(3), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> mimic([2]).apply(u, {}, context)[0].delta.T
        tensor([[1., 3., 1.]])

    Source: Karimireddy et al., arXiv:2006.09365, without its choice of the client.
    """
    return collusion(attackers, lambda honest, count: honest[:1])
