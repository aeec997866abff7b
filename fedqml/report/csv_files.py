"""The numbers in full precision, for whoever goes on from here: a row an arm, run or value."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

import numpy as np

from fedqml.core.spreadsheet import harmless
from fedqml.report.arms import Arm, Experiment
from fedqml.report.difference import Difference, differences
from fedqml.report.results import COSTS, Run, order_metrics
from fedqml.report.statistics import spread

Cell = str | int | float | None
Row = dict[str, Cell]


def table_csv(experiments: Sequence[Experiment]) -> bytes:
    """Return a row for each arm with finished runs: means, deviations, difference and costs."""
    rows = []
    columns = _columns(experiments)
    for experiment in experiments:
        compared = {id(found.arm): found for found in differences(experiment)}
        for arm in experiment.arms:
            row = _arm_row(experiment, arm, columns)
            rows.append(row | _difference_row(compared.get(id(arm))) | _cost_row(arm))
    return encode(rows)


def runs_csv(experiments: Sequence[Experiment]) -> bytes:
    """Return a row for each run that could be read, finished or not."""
    columns = _columns(experiments)
    rows = []
    for experiment in experiments:
        repeated = {run.id: latest.id for run, latest in experiment.repeats}
        arms = (*experiment.arms, *experiment.begun)
        listed = [(run, arm.label) for arm in arms for run in arm.runs]
        listed += [(run, run.arm) for run, _ in experiment.repeats]
        for run, label in listed:
            rows.append(_run_row(run, label, columns) | {"repeated_by": repeated.get(run.id)})
    return encode(rows)


def history_csv(experiments: Sequence[Experiment]) -> bytes:
    """Return every value of every round in long format, unfinished runs included."""
    rows: list[Row] = [
        {
            "experiment": experiment.name,
            "arm": arm.label,
            "central": int(arm.central),
            "seed": run.seed,
            "id": run.id,
            "round": row.round,
            "quantity": quantity,
            "value": value,
        }
        for experiment in experiments
        for arm in (*experiment.arms, *experiment.begun)
        for run in arm.runs
        for row in run.rounds
        for quantity, value in (
            ("clients", row.clients),
            ("refused", row.refused),
            *row.values.items(),
        )
    ]
    return encode(rows)


def _arm_row(experiment: Experiment, arm: Arm, columns: Iterable[str]) -> Row:
    row: Row = {
        "experiment": experiment.name,
        "arm": arm.label,
        "central": int(arm.central),
        "seeds": len(arm.seeds),
        "rounds": arm.runs[0].rounds[-1].round,
    }
    for column in columns:
        measured = spread(np.array(list(arm.final(column).values())))
        row |= {f"{column}_mean": measured.mean, f"{column}_sd": measured.sd}
    return row


def _difference_row(found: Difference | None) -> Row:
    low, high = (found.estimate.interval if found else None) or (None, None)
    return {
        "compared_with": found.central.label if found else None,
        "test_accuracy_difference": found.estimate.mean if found else None,
        "test_accuracy_difference_low": low,
        "test_accuracy_difference_high": high,
        "paired_seeds": len(found.paired) if found else None,
    }


def _cost_row(arm: Arm) -> Row:
    return {f"{cost}_mean": float(arm.total(cost).mean()) for cost in COSTS}


def _run_row(run: Run, label: str, columns: Iterable[str]) -> Row:
    last = run.rounds[-1] if run.rounds else None
    summary, data = run.summary, run.data
    return {
        "id": run.id,
        "experiment": run.name,
        "arm": label,
        "central": int(run.central),
        "seed": run.seed,
        "finished": int(summary is not None),
        "rounds": last.round if last else None,
        **{column: last.values.get(column) if last else None for column in columns},
        **{cost: sum(row.values[cost] for row in run.rounds) for cost in COSTS},
        "parameters": summary.parameters if summary else None,
        "quantum_parameters": summary.quantum_parameters if summary else None,
        "model_sha256": summary.hash if summary else None,
        "data_sha256": data.fingerprint if data else None,
        "started": str(run.environment.get("started", "")),
    }


def _columns(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    metrics = {name for experiment in experiments for name in experiment.metrics}
    return ("train_loss", "test_loss", *order_metrics(metrics))


def encode(rows: Sequence[Row]) -> bytes:
    """Return rows as CSV, under the names of the first one's columns; nothing for no rows."""
    text = io.StringIO()
    if rows:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return text.getvalue().encode(errors="backslashreplace")


def _cell(value: Cell) -> str | int | None:
    """Return a cell; floats in the shortest form that reads back as the same number.

    Texts come from experiment files: none may reach a spreadsheet as a formula.
    """
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else None
    return harmless(value) if isinstance(value, str) else value
