"""The weighted mean of the clients' updates: federated averaging."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import folding_aggregator


def mean(weighted: bool = True) -> Transform:
    """Return federated averaging, ``sum_i n_i delta_i / sum_i n_i``.

    Clients' rows are added up as they come, so that a cohort of large models takes the memory of
    one sum.

    Args:
        weighted: whether a client counts by its number of examples n_i; if not, all count alike.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(2), torch.tensor([[0.0], [4.0]]), torch.tensor([3.0, 1.0]), {})
        >>> mean().apply(u, {}, Context(1, torch.arange(2), torch.zeros(1, 1), 0))[0].delta
        tensor([[1.]])

    Source: McMahan et al., arXiv:1602.05629, algorithm 1 (FedAvg).
    """
    return folding_aggregator(_add, (lambda n: n) if weighted else torch.ones_like)


def _add(
    total: Float[Tensor, " d"], rows: Float[Tensor, "k d"], weight: Float[Tensor, " k"]
) -> None:
    if len(rows) == 1:  # BLAS would read a single row no quicker
        total.add_(rows[0], alpha=float(weight[0]))
    else:
        total.addmv_(rows.mT, weight)
