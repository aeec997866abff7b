"""What a person or a log sees of a run: a progress bar, plain lines, JSON lines, or nothing."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fedqml.core.errors import InputError
from fedqml.experiments.experiment import Experiment
from fedqml.experiments.rounds import Federation
from fedqml.experiments.run import Outcome, Watch

_WIDE = 110  # columns of a terminal that has room for all measures
_MEASURES = (("train_loss", "train"), ("test_loss", "test"), ("test_accuracy", "accuracy"))


class Text:
    """For people: a progress bar on a terminal, a line for each run elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._console = _Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._warnings = _Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24 if self._console.width > _WIDE else 10),
            MofNCompleteColumn(),
            TextColumn("{task.fields[measures]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", measures="")
        self._rounds_before = 0
        self._width = 0
        self._results = Path()

    @contextmanager
    def running(self, experiments: list[Experiment], results: Path) -> Iterator[None]:
        """Show a bar over all rounds of all runs, and at the end where the results are."""
        self._results = results
        self._width = max(len(self._name(experiment)) for experiment in experiments)
        total = sum(experiment.run.rounds for experiment in experiments)
        self._console.print(
            f"[bold]{_safe(experiments[0].title)}[/bold]: {len(experiments)} runs, {total} rounds"
        )
        self._bar.update(self._task, total=total)
        with self._bar:
            yield
        self._console.print(
            f"Results are in {_safe(results)}. To see them: fedqml report {_safe(results)}"
        )

    def watch(self, experiment: Experiment) -> Watch:
        """Move the bar."""

        def show(row: dict[str, Any]) -> None:
            self._bar.update(
                self._task,
                completed=self._rounds_before + row["round"],
                description=_safe(self._name(experiment)),
                measures=self._columns(experiment, row),
            )

        return show

    def ended(self, experiment: Experiment, outcome: Outcome) -> None:
        """Print a line on the run, and its warnings on the error output."""
        self._advance(experiment)
        for warning in outcome.warnings:
            self._warnings.print(_safe(f"Warning: {self._name(experiment)}: {warning}"))
        how = "done before" if outcome.done_before else f"{outcome.summary['seconds']:.1f} s"
        if outcome.resumed:
            how += f", resumed after round {outcome.resumed}"
        measures = _measures(outcome.summary.get("final", {}))
        folder = self._results / experiment.id
        name = f"{self._name(experiment):{self._width}}"
        self._console.print(_safe(f"  {name}  {measures}  {how}  {folder}"))

    def busy(self, experiment: Experiment) -> None:
        """Say that another process has the run."""
        self._advance(experiment)
        self._warnings.print(
            _safe(f"  {self._name(experiment)}  is being run by another process; left to it")
        )

    def failed(self, experiment: Experiment, error: InputError) -> None:
        """Print why a run could not be made; the others go on."""
        self._advance(experiment)
        self._warnings.print(_safe(f"Error: {self._name(experiment)}: {error}"))

    def planned(self, experiment: Experiment, federation: Federation, done: bool) -> None:
        """Print a line on a run that would be made."""
        self._console.print(
            _safe(
                f"  {experiment.id}  {self._name(experiment)}  {federation.clients} clients, "
                f"{federation.clients_per_round} a round, {federation.rounds} rounds, "
                f"{federation.objective.packing.size} weights" + ("  (finished)" if done else "")
            )
        )

    def _name(self, experiment: Experiment) -> str:
        return f"{experiment.arm}, seed {experiment.seed}"

    def _columns(self, experiment: Experiment, row: dict[str, Any]) -> str:
        if self._console.width <= _WIDE:
            return _measures(row, _MEASURES[-1:])
        return f"round {row['round']}/{experiment.run.rounds}  {_measures(row)}"

    def _advance(self, experiment: Experiment) -> None:
        self._rounds_before += experiment.run.rounds
        self._bar.update(self._task, completed=self._rounds_before)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # handled where all commands' are, with its own exit code


class JsonLines:
    """For logs and scripts: an object a line on standard output."""

    @contextmanager
    def running(self, experiments: list[Experiment], results: Path) -> Iterator[None]:
        """Print what will run."""
        self._print("started", runs=[e.id for e in experiments], results=str(results))
        yield
        self._print("ended")

    def watch(self, experiment: Experiment) -> Watch:
        """Print each round."""
        return lambda row: self._of("round", experiment, **row)

    def ended(self, experiment: Experiment, outcome: Outcome) -> None:
        """Print the summary."""
        self._of(
            "finished",
            experiment,
            done_before=outcome.done_before,
            resumed=outcome.resumed,
            warnings=list(outcome.warnings),
            **outcome.summary,
        )

    def busy(self, experiment: Experiment) -> None:
        """Print that another process has the run."""
        self._of("busy", experiment)

    def failed(self, experiment: Experiment, error: InputError) -> None:
        """Print why a run could not be made."""
        self._of("failed", experiment, error=str(error))

    def planned(self, experiment: Experiment, federation: Federation, done: bool) -> None:
        """Print a run that would be made, with its settings."""
        self._of("planned", experiment, finished=done, config=experiment.config)

    def _of(self, event: str, experiment: Experiment, **fields: Any) -> None:
        self._print(event, id=experiment.id, arm=experiment.arm, seed=experiment.seed, **fields)

    def _print(self, event: str, **fields: Any) -> None:
        # Flushed, so that a log can be followed while the run goes on.
        print(json.dumps({"event": event, **fields}), flush=True)


def _measures(row: dict[str, Any], names: Sequence[tuple[str, str]] = _MEASURES) -> str:
    return "  ".join(f"{short} {row[n]:.4f}" for n, short in names if row.get(n) is not None)


def _safe(text: object) -> str:
    """Return a text in which rich finds no markup of its own."""
    return escape(str(text))


Display = Text | JsonLines
"""A way of showing runs: the methods that both have."""


def display(quiet: bool, as_json: bool) -> Display:
    """Return the display that the user asked for."""
    return JsonLines() if as_json else Text(quiet)
