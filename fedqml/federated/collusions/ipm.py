"""Updates that point against the honest mean."""

from fedqml.core.attackers import Attackers
from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.federated.attack import collusion


def ipm(attackers: Attackers, scale: float = 0.1) -> Transform:
    """Let attackers send ``-scale`` times the plain mean of the honest rows.

    Small scales pass rules that look for far rows, and still turn the mean's inner product with the
    honest direction negative where a rule selects them.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.
        scale: epsilon, positive.

    Raises:
        InputError: if an argument is out of range; in a round without honest clients.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.ones(3, 1), torch.ones(3), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> ipm([2], scale=2.0).apply(u, {}, context)[0].delta.T
        tensor([[ 1.,  1., -2.]])

    Source: Xie et al., arXiv:1903.03936 (inner product manipulation).
    """
    require(scale > 0, "scale", scale, "be positive")
    return collusion(attackers, lambda honest, count: -scale * honest.mean(0, keepdim=True))
