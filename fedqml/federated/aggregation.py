"""What every aggregator owes its users, whatever its rule."""

import math
from collections.abc import Callable
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError, require, whole
from fedqml.core.finite import finite_rows
from fedqml.core.transform import Folding, Transform, by_folding, stateless
from fedqml.core.updates import Context, State, Updates, concatenate

Rule = Callable[[Float[Tensor, "k d"], Float[Tensor, " k"]], Float[Tensor, "1 d"]]
"""From updates and their weights to the one row that stands for them."""
TolerantRule = Callable[[Float[Tensor, "k d"], int], Float[Tensor, "1 d"]]
"""From updates and the number of them that may be anything to the one row."""


def aggregator(rule: Rule) -> Transform:
    """Make a server transform of a rule on finite rows in the order of their clients.

    Rows with NaN or infinities, or with a weight that is not a positive number, are refused
    first and their clients recorded; sorting by client
    makes the result independent of the order of arrival.

    Raises:
        InputError: in a round whose every row is refused.
    """

    def apply(updates: Updates, context: Context) -> Updates:
        kept = collected(updates, context)
        return replace(kept, delta=rule(kept.delta, kept.weight))

    return stateless(apply, admit=sound)


def tolerant(rule: TolerantRule, f: int, times: int, more: int) -> Transform:
    """Make a server transform of a rule that needs ``k >= times f + more`` rows.

    Rows are refused as ``aggregator`` does. Who was refused is one of the f faulty clients: the
    rule has to withstand so many fewer, and nobody can break the bound by sending NaN.

    Args:
        rule: the rule.
        f: how many of a round's clients may send anything, refused ones included.
        times: see above.
        more: see above.

    Raises:
        InputError: if ``f`` is no whole number from 0 on; in a round with too few rows for it, or
            whose every row is refused.
    """
    whole("f", f, least=0)

    def apply(updates: Updates, context: Context) -> Updates:
        kept = collected(updates, context)
        return replace(kept, delta=rule(kept.delta, remaining(kept, f, times, more)))

    return stateless(apply, admit=sound)


def remaining(updates: Updates, f: int, times: int, more: int) -> int:
    """Return how many of the f faulty clients can be left after those that were refused.

    Raises:
        InputError: unless ``k >= times f + more`` for that number.
    """
    k, left = len(updates.clients), max(0, f - len(updates.refused))
    bound = f"{times}f + {more} <= k = {k}, the number of updates"
    require(times * left + more <= k, "f", left, f"satisfy {bound}")
    return left


def collected(updates: Updates, context: Context) -> Updates:
    """Return the rows that are finite and weigh something, in rising order of client.

    The clients of the others are refused.

    Raises:
        InputError: if no row is left.
    """
    kept = sound(updates).sorted()
    _require_some(kept, context)
    return kept


def require_own_rows(updates: Updates, rule: str) -> None:
    """Refuse updates whose rows are no single client's, for a rule that looks them up by client.

    Args:
        updates: what the rule is given.
        rule: its name, for people.

    Raises:
        InputError: if a rule that mixes rows comes before.
    """
    if updates.mixed:
        raise InputError(
            f"{rule} must know whose a row is: it must come before rules that mix rows, such as "
            "`bucketing`."
        )


def reported(updates: Updates, report: str, rule: str) -> Float[Tensor, "k ..."]:
    """Return what an aggregator needs beside the updates.

    Args:
        updates: of the clients.
        report: its name, which is also that of the local rule that makes it.
        rule: the aggregator.

    Raises:
        InputError: if the clients do not report it.
    """
    if report not in updates.reports:
        raise InputError(
            f"The aggregator `{rule}` needs the report `{report}`, which the local rule does not "
            f"make; `{report}` built around it does."
        )
    return updates.reports[report]


def weighted_mean(weight: Callable[[Tensor], Tensor]) -> Transform:
    """Make a server transform of a weighted mean, which needs one row's memory for any cohort.

    ``sum_i w_i delta_i / sum_i w_i``, as a running mean in rising order of client: whatever the
    weights, no sum grows larger than the rows are. Rows are refused as ``aggregator`` does.

    Args:
        weight: from the updates' weights ``(k,)`` to w, ``(k,)``.

    Raises:
        InputError: in a round whose every row is refused.
    """

    def fold(state: State, context: Context) -> Folding:
        mean = _Mean(weight, context)
        return Folding(mean.add, lambda: (mean.finish(), state))

    return by_folding(fold)


class _Mean:
    """The mean so far, and of the rows all but the rows."""

    def __init__(self, weight: Callable[[Tensor], Tensor], context: Context) -> None:
        self._weight, self._context = weight, context
        self._mean: Tensor | None = None
        self._total = 0.0
        self._seen: list[Updates] = []

    def add(self, updates: Updates) -> None:
        kept = sound(updates)
        rows = kept.delta
        self._seen.append(kept.without_rows())
        if not len(rows):
            return
        weight = self._weight(kept.weight)
        total = weight.sum()
        share = float(total)
        self._total += share
        row = rows[0] if len(rows) == 1 else (weight / total).to(rows.dtype) @ rows
        if self._mean is None:
            self._mean = row.clone() if len(rows) == 1 else row
        else:
            self._mean.lerp_(row, share / self._total)

    def finish(self) -> Updates:
        seen = concatenate(self._seen)
        _require_some(seen, self._context)
        assert self._mean is not None
        return replace(seen, delta=self._mean[None])


def sound(updates: Updates) -> Updates:
    """Return the rows that are finite and weigh something; the clients of others are refused."""
    if len(updates.delta) != len(updates.clients):
        raise InputError(
            f"An aggregator needs a row for each of the {len(updates.clients)} clients, but "
            f"there are {len(updates.delta)}: another aggregator comes before it."
        )
    rows, weight = updates.delta, updates.weight
    if len(rows) and math.isfinite(rows.sum()):  # as ``finite_rows`` looks, but at all at once
        low, high = weight.aminmax()
        if float(low) > 0 and float(high) < math.inf:
            return updates
    sound = finite_rows(rows) & (weight > 0) & (weight < math.inf)
    return updates if sound.all() else updates.keep(sound)


def _require_some(updates: Updates, context: Context) -> None:
    if not len(updates.clients):
        raise InputError(
            f"In round {context.round} every update was refused, for NaN or infinite entries, or a "
            "weight that is no positive number. If training has diverged, a smaller learning rate "
            "is the usual cure."
        )
