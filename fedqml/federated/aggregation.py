"""What every aggregator owes its users, whatever its rule."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.finite import finite_rows
from fedqml.core.transform import Folding, Transform, stateless
from fedqml.core.updates import Context, State, Updates, concatenate

Rule = Callable[[Float[Tensor, "k d"], Float[Tensor, " k"]], Float[Tensor, "1 d"]]
"""From updates and their weights to the one row that stands for them."""
Add = Callable[[Float[Tensor, " d"], Float[Tensor, "k d"], Float[Tensor, " k"]], None]
"""Add rows with these weights to a sum, in place."""


def aggregator(rule: Rule) -> Transform:
    """Make a server transform of a rule on finite rows in the order of their clients.

    Rows with NaN or infinities, or with a weight that is not a positive number, are refused
    first and their clients recorded; sorting by client
    makes the result independent of the order of arrival.

    Raises:
        InputError: in a round whose every row is refused.
    """

    def apply(updates: Updates, context: Context) -> Updates:
        kept = _sound(updates).sorted()
        _require_some(kept, context)
        return replace(kept, delta=rule(kept.delta, kept.weight))

    return stateless(apply)


def folding_aggregator(add: Add, weight: Callable[[Tensor], Tensor]) -> Transform:
    """Make a server transform of a weighted mean, which needs one row's memory for any cohort.

    ``sum_i w_i delta_i / sum_i w_i``, the sum taken in rising order of client; rows are refused as
    ``aggregator`` does.

    Args:
        add: adds rows to the sum.
        weight: from the updates' weights ``(k,)`` to w, ``(k,)``.

    Raises:
        InputError: in a round whose every row is refused.
    """

    def fold(state: State, context: Context) -> Folding:
        mean = _Mean(add, weight, context)
        return Folding(mean.add, lambda: (mean.finish(), state))

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        folding = fold(state, context)
        folding.add(updates.sorted())
        return folding.finish()

    return Transform(lambda params: {}, apply, fold)


class _Mean:
    """The sum so far, and of the rows all but the rows."""

    def __init__(self, add: Add, weight: Callable[[Tensor], Tensor], context: Context) -> None:
        self._add, self._weight, self._context = add, weight, context
        self._sum: Tensor | None = None
        self._total: Tensor | float = 0.0
        self._seen: list[Updates] = []

    def add(self, updates: Updates) -> None:
        kept = _sound(updates)
        rows = kept.delta
        self._seen.append(replace(kept, delta=rows[:, :0]))
        if not len(rows):
            return
        if self._sum is None:
            self._sum = torch.zeros_like(rows[0])
        weight = self._weight(kept.weight)
        self._add(self._sum, rows, weight.to(rows.dtype))
        self._total += weight.sum()

    def finish(self) -> Updates:
        seen = concatenate(self._seen)
        _require_some(seen, self._context)
        assert self._sum is not None
        return replace(seen, delta=self._sum.div_(self._total)[None])


def _sound(updates: Updates) -> Updates:
    """Return the rows that are finite and weigh something; the clients of others are refused."""
    if len(updates.delta) != len(updates.clients):
        raise InputError(
            f"An aggregator needs a row for each of the {len(updates.clients)} clients, but "
            f"there are {len(updates.delta)}: another aggregator comes before it."
        )
    weighs = updates.weight.isfinite() & (updates.weight > 0)
    sound = finite_rows(updates.delta) & weighs
    return updates if sound.all() else updates.keep(sound)


def _require_some(updates: Updates, context: Context) -> None:
    if not len(updates.clients):
        raise InputError(
            f"In round {context.round} every update has NaN or infinite entries: training has "
            "diverged. A smaller learning rate is the usual cure."
        )
