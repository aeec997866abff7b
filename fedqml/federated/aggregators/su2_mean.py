"""The mean of rotations of qubits, as rotations."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.angles import Angles
from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, Updates
from fedqml.federated.circular import circular
from fedqml.federated.columns import columns
from fedqml.federated.euler import euler_angles, quaternions
from fedqml.federated.own_columns import mean_but_angles


def su2_mean(angles: Angles, least_gap: float = 0.1) -> Transform:
    """Return federated averaging with the mean of rotations RZ RY RZ in the group SU(2).

    The mean of unit quaternions q_i is the eigenvector of ``sum_i n_i q_i q_i^T / sum_i n_i`` with
    the largest eigenvalue: the rotation with the greatest mean fidelity ``|<q, q_i>|^2`` to those
    of the clients. Unlike means of the three angles it does not depend on the axes that they are
    counted about. It becomes angles again, of all possible ones the nearest to the circular mean of
    each. Other angles are averaged as ``circular_mean`` does, other weights as ``mean`` does. A
    stale client's rotation is where its step leads from the newest angles: as by ``mean``, it does
    not take back what others did since the client began.

    Args:
        angles: which weights are angles; ``fedqml.angles(model)``. A file says nothing.
        least_gap: where the two largest eigenvalues, which add up to 1 at most, are closer, the
            rotation is accidental, and its angles are averaged as other weights are. For turns
            about one axis this difference is the length in ``circular_mean``; for angles that
            belong to no rotation it is that length.

    Raises:
        InputError: for a gap out of range, or a model without angles; in a round whose every update
            is refused.

    Example:
        >>> three, periods = torch.arange(3), torch.full((3,), 2 * torch.pi)
        >>> one = Angles(3, three, periods, three[None])
        >>> u = Updates(torch.arange(2), torch.tensor([[3.0, 0, 0], [-3, 0, 0]]), torch.ones(2), {})
        >>> su2_mean(one).apply(u, {}, Context(1, u.clients, torch.zeros(1, 3), 0))[0].delta.abs()
        tensor([[3.1416, 0.0000, 0.0000]])

    Source: Markley, Cheng, Crassidis and Oshman, Averaging quaternions, Journal of guidance,
        control, and dynamics 30 (2007), equations 12 and 13.
    """
    require(0 <= least_gap <= 1, "least_gap", least_gap, "be in [0, 1]")
    places = torch.searchsorted(angles.entries, angles.rotations)

    def rule(updates: Updates, context: Context) -> Float[Tensor, " a"]:
        weight, rows, periods = updates.weight, updates.delta, angles.periods
        share = weight.double() / weight.double().sum()
        step = circular(rows, weight, periods, least_gap)
        before = context.params[0, angles.entries].double()
        for part in columns(len(places)):
            of, first = places[part], before[places[part]]
            x = rows[:, of].double()
            q = quaternions(first + x)
            values, vectors = torch.linalg.eigh(torch.einsum("k,kri,krj->rij", share, q, q))
            circle = circular(x.flatten(1), weight, periods[of].flatten(), 0.0).view_as(first)
            mean = euler_angles(vectors[..., -1], first + circle) - first
            defined = values[:, -1] - values[:, -2] >= least_gap
            step[of] = torch.where(defined[:, None], mean, torch.einsum("k,krj->rj", share, x))
        return step

    return mean_but_angles(angles, rule)
