"""The middle of what Krum selects."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import tolerant
from fedqml.federated.columns import columns, squared_distances
from fedqml.federated.neighbours import krum_scores
from fedqml.federated.sorting import network, ordered


def bulyan(f: int) -> Transform:
    """Return, of ``theta = k - 2f`` rows, each coordinate's mean of the entries near its median.

    The rows are what ``krum`` selects again and again, each time from the rest. Of each coordinate
    the ``theta - 2f`` entries nearest to the median are averaged. Breakdown point: f of k rows may
    be anything, ``4f + 3 <= k``.

    Args:
        f: how many clients of a round may send anything.

    Raises:
        InputError: if ``f`` is negative; in a round with fewer than 4f + 3 rows.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> rows = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [9e9]])
        >>> u = Updates(torch.arange(7), rows, torch.ones(7), {})
        >>> bulyan(f=1).apply(u, {}, Context(1, u.clients, torch.zeros(1, 1), 0))[0].delta
        tensor([[3.]])

    Source: El Mhamdi et al., arXiv:1802.07927, section 4.
    """

    def rule(rows: Float[Tensor, "k d"], f: int) -> Float[Tensor, "1 d"]:
        return mean_around_median(rows, selected(squared_distances(rows), f), 2 * f)

    return tolerant(rule, f, 4, 3)


def selected(distances: Float[Tensor, "k k"], f: int) -> list[int]:
    """Return the ``k - 2f`` rows that Krum selects one after the other, in their own order."""
    rest = list(range(len(distances)))
    chosen = []
    for _ in range(len(distances) - 2 * f):
        scores = krum_scores(distances[rest][:, rest], f)
        chosen.append(rest.pop(int(scores.argmin())))
    return sorted(chosen)


def mean_around_median(
    rows: Float[Tensor, "k d"], chosen: list[int], without: int
) -> Float[Tensor, "1 d"]:
    """Return each column's mean of the entries nearest to its median.

    Args:
        rows: of which
        chosen: some are looked at.
        without: how many of these are left out, the farthest.
    """
    comparators = network(tuple(range(len(chosen))))
    result = rows.new_empty(1, rows.shape[1])
    for part in columns(rows.shape[1]):
        # Part by part, as the chosen rows of all columns would be another stack.
        for _, entries in ordered(rows[:, part][chosen], comparators):
            result[0, part] = _middle(torch.stack(entries).double(), without)
    return result


def _middle(sort: Float[Tensor, "k d"], without: int) -> Float[Tensor, " d"]:
    k = len(sort)
    count = k - without
    median = (sort[(k - 1) // 2] + sort[k // 2]) / 2
    # In order, the nearest ones follow each other.
    first, last = sort[: without + 1], sort[count - 1 :]
    start = torch.maximum(median - first, last - median).argmin(0)
    total = torch.zeros_like(median)
    for i in range(count):
        total += sort.gather(0, start[None] + i)[0]
    return total / count
