"""Ours beside what others published: the same quantities, arm by arm."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fedqml.report.arms import Arm, Experiment, named
from fedqml.report.formats import (
    CONFIDENT,
    MISSING,
    POINTS,
    count,
    decimal,
    duration,
    is_fraction,
    listing,
    mean_and_sd,
    metric_name,
    percent,
    size,
)
from fedqml.report.results import COSTS, METRIC
from fedqml.report.statistics import Spread, spread, wilson
from fedqml.report.tables import Table

_NOTHING = "–"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Beside:
    """One quantity of one arm, ours and theirs.

    Args:
        arm: our arm.
        quantity: a column of the history after the last round, or a cost.
        ours: over our seeds.
        theirs: the published value, None where only ours is known.
        margin: between which bounds ``ours.mean - theirs`` may lie if theirs is one draw of so
            many test examples; None where that is not known.
    """

    arm: Arm
    quantity: str
    ours: Spread
    theirs: float | None
    margin: tuple[float, float] | None = None

    @property
    def difference(self) -> float | None:
        """Return our mean minus their value."""
        return None if self.theirs is None else self.ours.mean - self.theirs

    @property
    def within(self) -> bool | None:
        """Return whether the difference lies within the margin; None if there is none."""
        if self.margin is None or self.difference is None or not math.isfinite(self.difference):
            return None
        low, high = self.margin
        return low - _ROUNDING <= self.difference <= high + _ROUNDING


def measured_beside(experiment: Experiment) -> tuple[Beside, ...]:
    """Return the measured quantities that were published of finished arms, with ours."""
    published = experiment.labels.published
    if published is None:
        return ()
    found = []
    for arm, row in _rows(experiment):
        for quantity in ("train_loss", *sorted(k for k in row if k.startswith(METRIC))[::-1]):
            if quantity not in row:
                continue
            ours = spread(np.array(list(arm.final(quantity).values()), dtype=float))
            theirs, margin = row[quantity], None
            if is_fraction(quantity) and published.test_examples is not None:
                low, high = wilson(theirs, published.test_examples)
                margin = low - theirs, high - theirs
            found.append(Beside(arm, quantity, ours, theirs, margin))
    return tuple(found)


def costs_beside(experiment: Experiment) -> tuple[Beside, ...]:
    """Return samples and bytes a round and in all, and further costs that were published."""
    found = []
    for arm, row in _rows(experiment):
        rounds = max(1, arm.runs[0].rounds[-1].round)
        samples, traffic = arm.total("samples"), arm.total("bytes_down") + arm.total("bytes_up")
        theirs = _their_costs(row)
        ours = {
            "samples_a_round": samples / rounds,
            "samples": samples,
            "bytes_a_round": traffic / rounds,
            "bytes": traffic,
            **{cost: arm.total(cost) for cost in COSTS[3:] if cost in row},
        }
        if arm.central:
            # A federation of one sends nothing.
            ours |= {name: np.full(len(traffic), np.nan) for name in ("bytes_a_round", "bytes")}
        found += [Beside(arm, name, spread(v), theirs.get(name)) for name, v in ours.items()]
    return tuple(found)


def _their_costs(row: dict[str, float]) -> dict[str, float]:
    """Return their costs with what follows from them."""
    costs = dict(row)
    rounds = costs.get("round")
    if "bytes_down" in costs and "bytes_up" in costs:
        costs["bytes"] = costs["bytes_down"] + costs["bytes_up"]
    if rounds:
        if "samples_a_round" in costs:
            costs.setdefault("samples", costs["samples_a_round"] * rounds)
        for total in ("samples", "bytes"):
            if total in costs:
                costs.setdefault(f"{total}_a_round", costs[total] / rounds)
    return costs


def published_table(experiment: Experiment) -> Table | None:
    """Return losses and accuracies beside the published ones; None where there are none."""
    published = experiment.labels.published
    if published is None:
        return None
    found = measured_beside(experiment)
    return Table(
        caption="Beside the published values: mean ± standard deviation over seeds",
        head=("Arm", "Quantity", "Ours", "Published", "Difference", "Margin (points)", "Within"),
        align="llrrrrl",
        rows=tuple(_measured_row(beside) for beside in found),
        notes=tuple(_notes(experiment, found)),
    )


def published_costs_table(experiment: Experiment) -> Table | None:
    """Return what a round and a whole run cost, ours and the published numbers."""
    found = costs_beside(experiment)
    if not found:
        return None
    quantities = list(dict.fromkeys(beside.quantity for beside in found))
    arms = list({id(beside.arm): beside.arm for beside in found}.values())
    cells = {(id(beside.arm), beside.quantity): _cost_cell(beside) for beside in found}
    return Table(
        caption="Costs beside the published ones: ours (published)",
        head=("Arm", *(_COST_NAMES[quantity] for quantity in quantities)),
        align="l" + "r" * len(quantities),
        rows=tuple(
            (arm.label, *(cells.get((id(arm), quantity), _NOTHING) for quantity in quantities))
            for arm in arms
        ),
        notes=(
            "Samples are examples times local epochs; traffic is that of the models in both "
            "directions. Ours are means over seeds; without parentheses nothing was published.",
        ),
    )


_COST_NAMES = {
    "samples_a_round": "Samples a round",
    "samples": "Samples in all",
    "bytes_a_round": "Traffic a round",
    "bytes": "Traffic in all",
    "circuit_evaluations": "Circuit evaluations",
    "shots": "Shots",
    "hardware_evaluations": "On hardware",
    "seconds": "Time",
}


def _rows(experiment: Experiment) -> list[tuple[Arm, dict[str, float]]]:
    """Return the finished arms that have published values, in the order of the arms."""
    published = experiment.labels.published
    if published is None:
        return []
    found = {
        id(arm): dict(row)
        for label, row in published.arms.items()
        if (arm := named(experiment, label)) is not None
    }
    return [(arm, found[id(arm)]) for arm in experiment.arms if id(arm) in found]


def _measured_row(beside: Beside) -> tuple[str, ...]:
    fraction = is_fraction(beside.quantity)
    theirs, difference = beside.theirs, beside.difference
    assert theirs is not None, "it is in the table because it was published"
    assert difference is not None, "there are two values"
    if fraction:
        shown = f"{decimal(difference * POINTS, 2, sign=True)} points"
    else:
        shown = decimal(difference, 4, sign=True)
    margin = _NOTHING
    if beside.margin is not None:
        low, high = (decimal(bound * POINTS, 2, sign=True) for bound in beside.margin)
        margin = f"{low} to {high}"
    return (
        beside.arm.label,
        metric_name(beside.quantity),
        mean_and_sd(beside.ours, "%" if fraction else ""),
        percent(theirs) if fraction else decimal(theirs),
        shown if math.isfinite(difference) else MISSING,
        margin,
        {True: "within", False: "outside", None: _NOTHING}[beside.within],
    )


def _cost_cell(beside: Beside) -> str:
    form: Callable[[float], str] = count
    if beside.quantity.startswith("bytes"):
        form = size
    elif beside.quantity == "seconds":
        form = duration
    ours = form(beside.ours.mean) if math.isfinite(beside.ours.mean) else _NOTHING
    return ours if beside.theirs is None else f"{ours} ({form(beside.theirs)})"


def _notes(experiment: Experiment, found: tuple[Beside, ...]) -> list[str]:
    published = experiment.labels.published
    assert published is not None, "only called where there is something published"
    notes = [f"Published in: {published.source}."]
    if any(beside.margin for beside in found):
        notes.append(
            f"Margin: the differences that chance allows in a test set of their size, {CONFIDENT} "
            f"(binomial: Wilson’s interval for {count(published.test_examples or 0)} examples, "
            "around their value). Theirs is taken as one run: how far another of their runs would "
            "lie is not known and not in it, nor is the spread over our seeds."
        )
    elif any(is_fraction(beside.quantity) for beside in found):
        notes.append(
            "No margin: how many test examples are behind their accuracies is not given "
            "(`test_examples`)."
        )
    notes += _test_sets(experiment, found)
    for arm, row in _rows(experiment):
        rounds = arm.runs[0].rounds[-1].round
        if "round" in row and row["round"] != rounds:
            notes.append(
                f"{arm.label}: ours after {count(rounds)} rounds, theirs after "
                f"{count(row['round'])}."
            )
    beside = {id(arm) for arm, _ in _rows(experiment)}
    missing = [arm.label for arm in experiment.arms if id(arm) not in beside]
    if missing:
        notes.append(f"Nothing was published of {listing(missing)}.")
    waiting = [label for label in published.arms if named(experiment, label) is None]
    if waiting:
        notes.append(f"Published, but no run of ours has finished: {listing(waiting)}.")
    return notes


def _test_sets(experiment: Experiment, found: tuple[Beside, ...]) -> list[str]:
    published = experiment.labels.published
    examples = published.test_examples if published is not None else None
    ours = sorted({run.data.test for b in found for run in b.arm.runs if run.data is not None})
    if examples is None or not ours or ours == [examples]:
        return []
    return [
        f"Our test set has {listing([count(number) for number in ours])} examples, theirs "
        f"{count(examples)}."
    ]
