"""The point with the least sum of distances to the updates."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import aggregator
from fedqml.federated.columns import combine, gram
from fedqml.federated.nearest_point import nearest_point

_ROUNDS = 4
_FAR = 1e4  # times the distance of most rows


def geometric_median(weighted: bool = False) -> Transform:
    """Return the geometric median, ``argmin_z sum_i w_i ||z - delta_i||``.

    Where every point between two is as good, as for two rows, it is the one midway. The optimum is
    found to the last digits of float64, and not smoothed. It lies in the plane through the rows, so
    their inner products suffice to find it: the rows are read at most eight times.

    Breakdown point: rows with less than half of all weight may be anything. With ``weighted`` that
    is half of the examples that clients claim to have.

    Args:
        weighted: whether a client counts by its number of examples; if not, all count alike.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> rows = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> u = Updates(torch.arange(3), rows, torch.ones(3), {})
        >>> geometric_median().apply(u, {}, Context(1, u.clients, rows[:1], 0))[0].delta
        tensor([[0.2113, 0.2113]])

    Source: Pillutla et al., arXiv:1912.13445 (RFA).
    """

    def rule(rows: Float[Tensor, "k d"], weight: Float[Tensor, " k"]) -> Float[Tensor, "1 d"]:
        weight = weight.double() if weighted else torch.ones_like(weight, dtype=torch.float64)
        centre = rows.new_zeros(rows.shape[1], dtype=torch.float64)
        for _ in range(_ROUNDS):
            # Around the last point, as products of long vectors have lost what tells close ones
            # apart.
            products = gram(rows, centre)
            away = products.diagonal().sqrt()
            typical = _most(away, weight)
            reach = _FAR * typical if typical else torch.inf
            # A row that is far away pulls by its direction alone, and pulls alike when it is
            # nearer, where it costs no digits.
            shrink = torch.where(away > reach, reach / away, 1.0)
            share = shrink * nearest_point(torch.outer(shrink, shrink) * products, weight)
            step = combine(share[None], rows, centre, torch.float64)[0]
            centre += step
            if float(step.norm()) <= 1e-13 * typical:
                break
        return centre[None].to(rows.dtype)

    return aggregator(rule)


def _most(distances: Float[Tensor, " k"], weight: Float[Tensor, " k"]) -> float:
    """Return the least distance within which there is more than half of all weight."""
    ordered, places = distances.sort()
    within = weight[places].cumsum(0) > weight.sum() / 2
    return float(ordered[within.nonzero()[0]])
