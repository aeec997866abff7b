"""The mean of each weight over the clients that train it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import require_own_rows
from fedqml.federated.own_columns import mean_but


def partial_mean() -> Transform:
    """Return federated averaging in which clients count for the weights alone that they train.

    ``sum_i m_ij n_i delta_ij / sum_i m_ij n_i`` in each coordinate j, where m_ij is 0 if j has no
    influence on the circuits of client i, which have fewer layers or qubits, and 1 otherwise. A
    weight that nobody in the cohort trains stays. ``mean`` would take a weight that a client cannot
    train for one that it wants to leave as it is. Who trains what comes from the circuits, not from
    the updates.

    Raises:
        InputError: in a round whose every update is refused.

    Example:
        >>> u = Updates(torch.arange(2), torch.tensor([[2.0, 0.0], [4.0, 4.0]]), torch.ones(2), {})
        >>> shallow = {0: torch.tensor([1])}
        >>> context = Context(1, u.clients, torch.zeros(1, 2), seed=0, left_out=shallow)
        >>> partial_mean().apply(u, {}, context)[0].delta
        tensor([[3., 4.]])

    Source: Diao, Ding and Tarokh, HeteroFL, arXiv:2010.01264, section 3; by depth: Kim et al.,
        DepthFL, ICLR 2023.
    """

    def columns(context: Context) -> Int[Tensor, " a"]:
        left = [context.left_out[c] for c in context.cohort.tolist() if c in context.left_out]
        return torch.cat(left).unique() if left else torch.zeros(0, dtype=torch.int64)

    def rule(updates: Updates, context: Context) -> Float[Tensor, " a"]:
        require_own_rows(updates, "`partial_mean`")
        own = columns(context)
        trains = torch.ones_like(updates.delta, dtype=torch.float64)
        for row, client in enumerate(updates.clients.tolist()):
            if client in context.left_out:
                trains[row, torch.isin(own, context.left_out[client])] = 0
        weight = trains * updates.weight[:, None]
        # Divided first: of finite rows no sum may become infinite.
        share = weight / weight.sum(0).where(weight.sum(0) > 0, torch.ones(()).double())
        return (share * updates.delta).sum(0)

    return mean_but(columns, rule)
