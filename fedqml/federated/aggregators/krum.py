"""The update that lies closest to its neighbours."""

from jaxtyping import Float
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import tolerant
from fedqml.federated.columns import squared_distances
from fedqml.federated.neighbours import krum_scores


def krum(f: int) -> Transform:
    """Return the row with the least sum of squared distances to its ``k - f - 2`` nearest others.

    Of equal sums that of the lowest client counts. Breakdown point: f of k rows may be anything,
    ``2f + 3 <= k``.

    Args:
        f: how many clients of a round may send anything.

    Raises:
        InputError: if ``f`` is negative; in a round with fewer than 2f + 3 rows.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> rows = torch.tensor([[0.0], [1.0], [2.0], [4.0], [9e9]])
        >>> u = Updates(torch.arange(5), rows, torch.ones(5), {})
        >>> krum(f=1).apply(u, {}, Context(1, u.clients, torch.zeros(1, 1), 0))[0].delta
        tensor([[1.]])

    Source: Blanchard et al., "Machine learning with adversaries: Byzantine tolerant gradient
    descent", NeurIPS 2017, section 4.
    """

    def rule(rows: Float[Tensor, "k d"], f: int) -> Float[Tensor, "1 d"]:
        best = int(krum_scores(squared_distances(rows), f).argmin())
        return rows[best : best + 1].clone()

    return tolerant(rule, f, 2, 3)
