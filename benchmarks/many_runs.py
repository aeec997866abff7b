"""Many short runs: as many at once as there are cores, each kept as a line as soon as it ends."""

import csv
import itertools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from fedqml.core.denormals import denormals_as_zero
from fedqml.core.errors import InputError
from fedqml.core.threads import threads
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.rounds import Federation, Row, begin, proceed

Measure = Callable[[Sequence[Row]], dict[str, Any]]
"""From a run's history to what is kept of it."""
Look = Callable[[Federation, dict[str, Any]], Federation]
"""From a federation to the same with something that also writes into what is kept."""


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        labels: what tells it from the others, by column.
        table: its experiment, with one seed.
        group: runs of one group, next to each other, are made in one process.
    """

    labels: dict[str, Any]
    table: dict[str, Any]
    group: tuple[Any, ...]


def make_all(runs: Sequence[Run], path: Path, measure: Measure, look: Look | None = None) -> None:
    """Make the runs that a file has no line of.

    Args:
        runs: all of them.
        path: the file; what it has is not made again.
        measure: what is kept of a run.
        look: what else is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    there = {_name(row) for row in read(path)} if path.exists() else set()
    names = list(runs[0].labels)
    missing = [run for run in runs if tuple(str(run.labels[n]) for n in names) not in there]
    groups = [list(group) for _, group in itertools.groupby(missing, lambda run: run.group)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        waiting = [pool.submit(partial(_train, measure=measure, look=look), g) for g in groups]
        for number, future in enumerate(as_completed(waiting), 1):
            lines = future.result()
            with path.open("a", newline="") as file:
                writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerows(lines)
            print(f"{number} of {len(groups)} groups", flush=True)


def read(path: Path) -> list[dict[str, str]]:
    """Return the lines of a file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _name(row: dict[str, str]) -> tuple[str, ...]:
    """Return the labels of a line, which stand before ``stopped``."""
    return tuple(row.values())[: list(row).index("stopped")]


def _train(runs: list[Run], measure: Measure, look: Look | None) -> list[dict[str, Any]]:
    build, lines = builder(), []
    with threads(1), denormals_as_zero():
        for run in runs:
            started, kept, stopped = time.process_time(), dict[str, Any](), 0
            (experiment,) = experiments(run.table, "benchmark", Path())
            federation = build(experiment)
            federation = look(federation, kept) if look else federation
            first = begin(federation)
            rows = first.rows
            try:
                for progress in proceed(federation, first):
                    rows = progress.rows
            except InputError as error:  # weights or updates became infinite
                if "In round" not in str(error):
                    raise
                stopped = len(rows)
            kept |= measure(rows)
            seconds = round(time.process_time() - started, 2)
            lines.append({**run.labels, "stopped": stopped, **kept, "seconds": seconds})
    return lines
