"""Means of a few clients each, before a robust rule."""

from dataclasses import replace

import torch

from fedqml.core.errors import whole
from fedqml.core.random import shuffled
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import collected, sound
from fedqml.federated.columns import combine


def bucketing(size: int) -> Transform:
    """Return the plain means of buckets of clients, drawn anew each round, as rows of their own.

    It makes the rows of honest clients with different data more alike. A bucket stands under the
    lowest number of its clients, with their weights' sum and the weighted means of their metrics
    and reports.
    Breakdown point: f faulty clients spoil at most f of the ``ceil(k / s)`` buckets, so the rule
    behind it needs its bound for that f and so many rows. Rows are refused as by an aggregator.

    Args:
        size: s, clients a bucket; the last one may have fewer.

    Raises:
        InputError: if ``size`` is not positive; in a round whose every row is refused.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(2), torch.tensor([[1.0], [3.0]]), torch.ones(2), {})
        >>> bucketing(size=2).apply(u, {}, Context(1, u.clients, torch.zeros(1, 1), 0))[0].delta
        tensor([[2.]])

    Source: Karimireddy et al., arXiv:2006.09365, algorithm 1.
    """
    whole("size", size, least=1)

    def apply(updates: Updates, context: Context) -> Updates:
        kept = collected(updates, context)
        order = torch.from_numpy(shuffled(len(kept.clients), context.rng("buckets")))
        buckets = [bucket.sort().values for bucket in order.split(size)]
        buckets.sort(key=lambda bucket: int(bucket[0]))
        belongs = torch.zeros(len(buckets), len(order), dtype=kept.weight.dtype)
        for row, bucket in zip(belongs, buckets, strict=True):
            row[bucket] = 1
        weight = belongs @ kept.weight
        share = belongs * kept.weight / weight[:, None]
        return replace(
            kept,
            clients=kept.clients[torch.stack([bucket[0] for bucket in buckets])],
            delta=combine(belongs.double() / belongs.sum(1, keepdim=True), kept.delta),
            weight=weight,
            metrics={name: share @ values for name, values in kept.metrics.items()},
            reports={n: torch.tensordot(share, v, 1) for n, v in kept.reports.items()},
            mixed=True,
        )

    return stateless(apply, admit=sound)
