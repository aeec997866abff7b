"""The weighted mean of the clients' updates: federated averaging."""

import torch

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import weighted_mean


def mean(weighted: bool = True) -> Transform:
    """Return federated averaging, ``sum_i n_i delta_i / sum_i n_i``.

    The rows are taken in as they come, so that a cohort of large models takes the memory of one.

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
    return weighted_mean((lambda n: n) if weighted else torch.ones_like)
