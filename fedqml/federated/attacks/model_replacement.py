"""Updates long enough to replace the global model."""

from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.attackers import Attackers
from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context
from fedqml.federated.attack import attack, attackers_among


def model_replacement(attackers: Attackers, scale: float | None = None) -> Transform:
    """Let attackers send ``gamma delta_i``: a plain mean then lands on what they have trained.

    Left out, gamma is ``k / a``, of a cohort of k with a attackers: where the honest updates cancel
    out, as they do once training has converged, the plain mean is the attackers' mean model. With
    the poison ``backdoor`` this is the attack on federated averaging of the paper.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.
        scale: gamma, positive.

    Raises:
        InputError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(4), torch.ones(4, 1), torch.ones(4), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> model_replacement([2]).apply(u, {}, context)[0].delta.T
        tensor([[1., 1., 4., 1.]])

    Source: Bagdasaryan et al., arXiv:1807.00459, equation 3, with a server's rate of 1.
    """
    require(scale is None or scale > 0, "scale", scale, "be positive")

    def forge(
        rows: Float[Tensor, "a d"], clients: Int[Tensor, " a"], context: Context
    ) -> Float[Tensor, "a d"]:
        if scale is not None:
            return scale * rows
        cohort = context.cohort
        count = int(attackers_among(attackers, cohort, context).sum())
        return len(cohort) / count * rows

    return attack(attackers, forge)
