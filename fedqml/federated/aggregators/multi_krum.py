"""The mean of the updates that lie closest to their neighbours."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require, whole
from fedqml.core.transform import Transform
from fedqml.federated.aggregation import tolerant
from fedqml.federated.columns import combine, squared_distances
from fedqml.federated.neighbours import krum_scores


def multi_krum(f: int, m: int | None = None) -> Transform:
    """Return the plain mean of the m rows with the least scores of ``krum``.

    Breakdown point: f of k rows may be anything, ``2f + 3 <= k``.

    Args:
        f: how many clients of a round may send anything.
        m: how many rows are averaged, at most k - f, which it is if left out.

    Raises:
        InputError: if ``f`` is negative or ``m`` not positive; in a round with fewer than 2f + 3
            or f + m rows.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> rows = torch.tensor([[0.0], [1.0], [2.0], [4.0], [9e9]])
        >>> u = Updates(torch.arange(5), rows, torch.ones(5), {})
        >>> multi_krum(f=1, m=2).apply(u, {}, Context(1, u.clients, rows[:1], 0))[0].delta
        tensor([[0.5000]])

    Source: Blanchard et al., "Machine learning with adversaries: Byzantine tolerant gradient
    descent", NeurIPS 2017, section 4 (Multi-Krum).
    """
    if m is not None:
        whole("m", m, least=1)

    def rule(rows: Float[Tensor, "k d"], f: int) -> Float[Tensor, "1 d"]:
        most = len(rows) - f
        count = most if m is None else m
        require(count <= most, "m", count, f"be at most k - f = {most}")
        scores = krum_scores(squared_distances(rows), f)
        weights = torch.zeros_like(scores)
        weights[scores.argsort(stable=True)[:count]] = 1 / count
        return combine(weights[None], rows)

    return tolerant(rule, f, 2, 3)
