"""The median of each coordinate."""

from jaxtyping import Float
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import aggregator
from fedqml.federated.sorting import middle_mean


def coordinate_median() -> Transform:
    """Return the median of each coordinate; of an even number of rows, the mean of the middle two.

    All clients count alike: a number of examples is what a client claims. Breakdown point:
    ``(k - 1) // 2`` of k rows may be anything, and each coordinate stays between honest ones.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.tensor([[1.0], [9e9], [2.0]]), torch.ones(3), {})
        >>> coordinate_median().apply(u, {}, Context(1, u.clients, torch.zeros(1, 1), 0))[0].delta
        tensor([[2.]])

    Source: Yin et al., arXiv:1803.01498, definition 1.
    """

    def rule(rows: Float[Tensor, "k d"], _: Float[Tensor, " k"]) -> Float[Tensor, "1 d"]:
        return middle_mean(rows, (len(rows) - 1) // 2)

    return aggregator(rule)
