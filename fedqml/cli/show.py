"""``fedqml show``: everything about one run."""

import argparse
import json
from pathlib import Path
from typing import Any

from fedqml.core.errors import InputError
from fedqml.report.read import read_results
from fedqml.report.results import Run


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "show",
        help="show one run",
        description="Show one run: its settings, circuit, history and hash.",
    )
    parser.add_argument("id", metavar="ID", help="the run's id, or the beginning of it")
    parser.add_argument("--results", default="results", metavar="DIR", help="default: results")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the run."""
    results = Path(options.results)
    every = read_results(results)
    found = [run for run in every.runs if run.id.startswith(options.id)]
    damaged = [reason for name, reason in every.unreadable if name.startswith(options.id)]
    if damaged and not found:
        raise InputError(f"The run {options.id} cannot be read: {damaged[0]}")
    if not found:
        raise InputError(
            f"There is no run {options.id} in {results}; `fedqml list --results {results}` has all."
        )
    if len(found) > 1:
        raise InputError(f"{options.id} fits {', '.join(run.id for run in found)}.")
    _print(found[0], results)
    return 0


def line(run: Run) -> str:
    """Return a line on a run: id, state, last accuracy, name, arm and seed."""
    settings = run.config.get("run")
    rounds = f"{settings.get('rounds')} rounds" if isinstance(settings, dict) else ""
    last = run.rounds[-1] if run.rounds else None
    state = "finished" if run.summary else f"at round {last.round if last else 0}"
    accuracy = last.values.get("test_accuracy") if last else None
    shown = "" if accuracy is None else f"accuracy {accuracy:.4f}"
    return f"{run.id}  {state:12} {rounds:11} {shown:15}  {run.name}: {run.arm}, seed {run.seed}"


def _print(run: Run, results: Path) -> None:
    print(line(run))
    print(f"\nfolder      {results / run.id}")
    if run.summary:
        print(f"hash        {run.summary.hash}")
        print(f"weights     {run.summary.parameters}, {run.summary.quantum_parameters} in circuits")
    if run.data:
        print(f"data        {run.data.fingerprint}")
        print(f"            {run.data.train} training and {run.data.test} test examples")
    if run.environment:
        print(f"command     {run.environment.get('command')}")
    print(f"\n{json.dumps(run.config, indent=2, ensure_ascii=False)}")
    if run.circuit_text:
        print(f"\n{run.circuit_text}")
    print("round  train loss  test loss  test accuracy")
    for row in run.rounds:
        cells = [row.values.get(name) for name in ("train_loss", "test_loss", "test_accuracy")]
        print(f"{row.round:5}" + "".join(f"{_number(cell):>12}" for cell in cells))


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"
