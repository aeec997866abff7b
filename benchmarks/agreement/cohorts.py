"""The updates that both sides get, and how far apart they come out."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedqml.core.transform import Transform
from fedqml.core.updates import Context, Updates

WIDTH = 6

Pair = tuple[Tensor, Any]
Compare = Callable[[Tensor, int], Pair]
"""From a cohort's rows and its f to our result and the rival's."""
Comparisons = dict[str, tuple[str, Compare]]
"""For each of a rival's things how ours is set to its convention, and both results."""


def cohorts(count: int) -> Iterator[tuple[Tensor, int]]:
    """Yield rows and f, up to f of the rows far from the others."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        f = int(rng.integers(1, 4))
        rows = torch.from_numpy(rng.standard_normal((4 * f + 3 + int(rng.integers(4)), WIDTH)))
        rows[len(rows) - int(rng.integers(f + 1)) :] += 30.0
        yield rows, f


def run(rule: Transform, rows: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the rows that a rule makes of others in the first round."""
    clients = torch.arange(len(rows))
    context = Context(1, clients, torch.zeros_like(rows[:1]), seed=0)
    ones = torch.ones(len(rows)).to(rows)
    updates = Updates(clients, rows, ones if weight is None else weight.to(rows), {})
    return rule.apply(updates, rule.init(context.params[0]), context)[0].delta


def largest(compare: Compare, count: int) -> float:
    """Return the largest difference of a number over the cohorts, relative where it is above 1."""
    worst = 0.0
    for rows, f in cohorts(count):
        ours, theirs = compare(rows, f)
        found = torch.as_tensor(np.asarray(theirs)).reshape(-1)
        difference = (ours.reshape(-1) - found).abs() / found.abs().clamp(min=1)
        worst = max(worst, float(difference.max()))
    return worst
