"""Means of each client's neighbours, before a robust rule."""

from dataclasses import replace

import torch

from fedqml.core.errors import whole
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import collected, remaining, sound
from fedqml.federated.columns import combine, squared_distances


def nearest_neighbour_mixing(f: int) -> Transform:
    """Return for each row the plain mean of the ``k - f`` rows nearest to it, itself included.

    Of equally near rows those of lower clients count. Breakdown point: f of k rows may be anything,
    ``2f + 1 <= k``; the bound of the rule behind it comes on top. Rows are refused as by an
    aggregator. As k rows come out, it takes the memory of one more stack of updates.

    Args:
        f: how many clients of a round may send anything.

    Raises:
        InputError: if ``f`` is negative; in a round with fewer than 2f + 1 rows.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.tensor([[1.0], [2.0], [9e9]]), torch.ones(3), {})
        >>> rule = nearest_neighbour_mixing(f=1)
        >>> rule.apply(u, {}, Context(1, u.clients, torch.zeros(1, 1), 0))[0].delta[:2]
        tensor([[1.5000],
                [1.5000]])

    Source: Allouah et al., arXiv:2302.01772 (NNM).
    """
    whole("f", f, least=0)

    def apply(updates: Updates, context: Context) -> Updates:
        kept = collected(updates, context)
        distances = squared_distances(kept.delta)
        # Its own row is the nearest, whatever lies on the same spot.
        distances.fill_diagonal_(-1)
        count = len(distances) - remaining(kept, f, 2, 1)
        nearest = distances.argsort(dim=1, stable=True)[:, :count]
        share = torch.zeros_like(distances).scatter_(1, nearest, 1 / count)
        return replace(kept, delta=combine(share, kept.delta), mixed=True)

    return stateless(apply, admit=sound)
