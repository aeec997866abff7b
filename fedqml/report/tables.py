"""The two tables of a result: what the arms reached, and what that cost."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fedqml.report.arms import Arm, Experiment
from fedqml.report.difference import Difference, differences
from fedqml.report.formats import (
    CONFIDENT,
    MISSING,
    POINTS,
    count,
    decimal,
    duration,
    interval,
    is_fraction,
    mean_and_sd,
    metric_name,
    percent,
    size,
)
from fedqml.report.results import STALENESS, TIME
from fedqml.report.statistics import sampling_margin, spread

_NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """A table of finished texts, to be set in HTML or in Markdown.

    Args:
        caption: what it shows.
        head: the names of the columns.
        align: a letter a column, ``l`` for words, ``r`` for numbers, ``c`` for code.
        rows: the cells; the first one heads its row.
        notes: sentences below it.
    """

    caption: str
    head: tuple[str, ...]
    align: str
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def results_table(experiment: Experiment) -> Table:
    """Return losses, metrics and the difference from central, an arm a row.

    Args:
        experiment: at least one of its runs has finished.

    Returns:
        The table, with the notes that its numbers need.
    """
    columns = ("train_loss", "test_loss", *experiment.metrics)
    compared = {id(found.arm): found for found in differences(experiment)}
    rows = tuple(
        (
            arm.label,
            str(len(arm.seeds)),
            *(_final(arm, column) for column in columns),
            *(
                ()
                if experiment.compares_otherwise
                else (_difference_cell(arm, compared.get(id(arm)), experiment),)
            ),
        )
        for arm in experiment.arms
    )
    head = ("Arm", "Seeds", *(metric_name(column).capitalize() for column in columns))
    if not experiment.compares_otherwise:
        head += ("Difference from central (points)",)
    return Table(
        caption="After the last round: mean ± standard deviation over seeds",
        head=head,
        align="l" + "r" * (len(head) - 1),
        rows=rows,
        notes=_notes(experiment, list(compared.values()), rows),
    )


def costs_table(experiment: Experiment) -> Table:
    """Return what each arm cost: rounds, samples, traffic, circuits and time.

    Args:
        experiment: at least one of its runs has finished.

    Returns:
        The table; costs are means over seeds of the sums over rounds.
    """
    columns: list[tuple[str, Callable[[Arm], str]]] = [
        ("Rounds", lambda arm: count(arm.runs[0].rounds[-1].round)),
        ("Clients a round", _clients_a_round),
        ("Parameters (quantum)", _parameters),
        ("Samples trained on", lambda arm: count(_mean(arm, "samples"))),
        ("Server to clients", lambda arm: _traffic(arm, "bytes_down")),
        ("Clients to server", lambda arm: _traffic(arm, "bytes_up")),
        ("Circuit evaluations", lambda arm: count(_mean(arm, "circuit_evaluations"))),
        ("On hardware", lambda arm: count(_mean(arm, "hardware_evaluations"))),
        ("Time", lambda arm: duration(_mean(arm, "seconds"))),
    ]
    if any(arm.total("shots").sum() for arm in experiment.arms):
        columns.insert(-2, ("Shots", lambda arm: count(_mean(arm, "shots"))))
    if any(TIME in row.values for run in experiment.runs for row in run.rounds):
        columns.append(("Virtual time", _virtual_time))
        columns.append(("Staleness", _staleness))
    if any(_refused(arm) for arm in experiment.arms):
        columns.append(("Updates refused", lambda arm: count(_refused(arm))))
    return Table(
        caption="What a run cost: sums over its rounds, mean over seeds",
        head=("Arm", *(name for name, _ in columns)),
        align="l" + "r" * len(columns),
        rows=tuple((arm.label, *(cell(arm) for _, cell in columns)) for arm in experiment.arms),
        notes=(
            "A sample is one example in one local epoch. Traffic is that of the models, without "
            "a protocol's overhead; central training sends none, but had its data pooled first.",
            "“Circuit evaluations” were made by this run's devices, for training and for the test "
            "after every round. “On hardware” is how many circuits a quantum computer would "
            "execute for the same run: it cannot differentiate a simulation, so for gradients the "
            "parameter-shift rule executes shifted copies of the circuit for every angle. Each "
            "of these is then repeated, for as many shots as the precision needs; “Shots”, where "
            "it stands, counts those that this run's devices drew.",
            "Time is that of the rounds with their test, on the machine named under “Reproduce”. "
            "“Virtual time”, where it stands, passes by the clients' paces and links; “Staleness” "
            "is how many steps the server had made since an update's client began, in the mean.",
        ),
    )


def _final(arm: Arm, column: str) -> str:
    values = np.array(list(arm.final(column).values()))
    return mean_and_sd(spread(values), "%" if is_fraction(column) else "")


def _difference_cell(arm: Arm, found: Difference | None, experiment: Experiment) -> str:
    if arm.central:
        return "reference"
    if found is None:
        return "no central arm" if not experiment.central else MISSING
    points = decimal(found.estimate.mean * POINTS, 2, sign=True)
    bounds = interval(found.estimate, POINTS, 2)
    against = f" against {found.central.label}" if len(experiment.central) > 1 else ""
    if found.estimate.flat:
        bounds = "no spread"
    return f"{points} ({bounds or 'no interval'}){against}"


def _notes(
    experiment: Experiment, compared: list[Difference], rows: tuple[tuple[str, ...], ...]
) -> tuple[str, ...]:
    notes = []
    if any(found.estimate.interval for found in compared):
        notes.append(
            f"In parentheses: {CONFIDENT} confidence interval of the mean difference (Student's t, "
            "paired over the seeds that both arms have"
            + (
                "; Welch's interval where they have too few in common)."
                if any(not found.paired for found in compared)
                else ")."
            )
            + (" Not adjusted for the number of arms." if len(compared) > 1 else "")
        )
    if any(found.estimate.interval is None for found in compared):
        notes.append("An interval needs at least two seeds in both arms.")
    if any(len(arm.seeds) == 1 for arm in experiment.arms):
        notes.append("An arm with one seed has no standard deviation.")
    if any(MISSING in cell for row in rows for cell in row):
        notes.append(f"{MISSING}: not measured, or not a finite number, in at least one seed.")
    notes.extend(_test_set_note(experiment))
    return tuple(notes)


def _test_set_note(experiment: Experiment) -> list[str]:
    """Return how fine a test accuracy can be: a spread over seeds does not show it."""
    runs = [run for arm in experiment.arms for run in arm.runs]
    sizes = {(run.data.test, run.data.test_classes) for run in runs if run.data is not None}
    if "test_accuracy" not in experiment.metrics or len(sizes) != 1:
        return []
    ((examples, classes),) = sizes
    accuracy = float(np.mean([run.rounds[-1].values.get("test_accuracy", np.nan) for run in runs]))
    if examples < 1 or not 0 <= accuracy <= 1:
        return []
    margin = decimal(sampling_margin(accuracy, examples) * POINTS, 1)
    note = (
        f"The test set has {count(examples)} examples: one of them is "
        f"{decimal(POINTS / examples, 2)} points, and an accuracy near {percent(accuracy)} "
        f"measured on so many has a sampling margin of ±{margin} points ({CONFIDENT}, Wilson). "
        "Where all seeds share one test set, the spread over seeds does not contain it."
    )
    if classes:
        note += f" Always naming its largest class would score {percent(max(classes) / examples)}."
    return [note]


def _mean(arm: Arm, cost: str) -> float:
    return float(arm.total(cost).mean())


def _refused(arm: Arm) -> float:
    return float(np.mean([sum(row.refused for row in run.rounds) for run in arm.runs]))


def _virtual_time(arm: Arm) -> str:
    return duration(float(np.mean(list(arm.final(TIME).values()))))


def _staleness(arm: Arm) -> str:
    means = [row.values.get(STALENESS, np.nan) for run in arm.runs for row in run.rounds[1:]]
    return decimal(float(np.mean(means)), 2) if means else MISSING


def _traffic(arm: Arm, cost: str) -> str:
    # A central run is a federation of one, whose single "client" is the server itself.
    return _NOTHING if arm.central else size(_mean(arm, cost))


def _clients_a_round(arm: Arm) -> str:
    if arm.central:
        return _NOTHING
    trained = [row.clients for run in arm.runs for row in run.rounds if row.round > 0]
    return count(float(np.mean(trained))) if trained else MISSING


def _parameters(arm: Arm) -> str:
    summary = arm.runs[0].summary
    if summary is None:
        return MISSING
    return f"{count(summary.parameters)} ({count(summary.quantum_parameters)})"
