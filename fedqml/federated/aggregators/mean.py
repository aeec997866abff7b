"""The weighted mean of the clients' updates: federated averaging."""

from jaxtyping import Float
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import aggregator


def mean(weighted: bool = True) -> Transform:
    """Return federated averaging, ``sum_i n_i delta_i / sum_i n_i``.

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

    def rule(delta: Float[Tensor, "k d"], weight: Float[Tensor, " k"]) -> Float[Tensor, "1 d"]:
        share = (
            weight / weight.sum() if weighted else weight.new_full(weight.shape, 1 / len(weight))
        )
        return (share.to(delta.dtype) @ delta)[None]

    return aggregator(rule)
