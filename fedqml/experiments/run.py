"""Run a federation in a folder: resumed where it stopped, skipped where it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from fedqml.core.files import write_atomic
from fedqml.experiments.build import Build
from fedqml.experiments.config import Experiment
from fedqml.experiments.costs import quantum_layers
from fedqml.experiments.environment import PACKAGES, environment
from fedqml.experiments.rounds import Federation, Progress, Row, begin, proceed
from fedqml.experiments.store import Store
from fedqml.quantum.circuit import Circuit

Watch = Callable[[Row], None]
"""Called with each round's row as soon as it is there."""


@dataclass(frozen=True)
class Outcome:
    """How the running of one experiment ended.

    Attributes:
        done_before: whether it had been finished before, so that nothing was trained now.
        resumed: the round from which it went on, 0 for the beginning.
        warnings: sentences for the user.
        summary: the content of ``summary.json``.
    """

    done_before: bool
    resumed: int
    warnings: tuple[str, ...]
    summary: dict[str, Any]


def run_experiment(experiment: Experiment, build: Build, results: Path, watch: Watch) -> Outcome:
    """Run one experiment in ``results/<id>``.

    Raises:
        InputError: for whatever the user can mend.
        Busy: if another process is running it.
        KeyboardInterrupt: after saving the rounds done, if the user stops it.
    """
    with threads(experiment.run.threads):
        federation = build(experiment)
        labels = {
            "id": experiment.id,
            "name": experiment.name,
            "title": experiment.title,
            "arm": {"label": experiment.arm, "central": federation.clients == 1},
            "seed": experiment.seed,
            "config": experiment.config,
        }
        store = Store(results / experiment.id)
        return run_in(store, federation, labels, experiment.run.checkpoint_every, watch)


def run_in(
    store: Store, federation: Federation, labels: dict[str, Any], every: int, watch: Watch
) -> Outcome:
    """Run a federation in a folder, from its newest checkpoint if there is one.

    Args:
        store: the folder.
        federation: what to run.
        labels: the content of ``experiment.json``.
        every: rounds between checkpoints.
        watch: called with each new row.

    Raises:
        InputError: if the folder cannot be written, or holds a run of other data or model.
        Busy: if another process is at work there.
        KeyboardInterrupt: after saving the rounds done.
    """
    signature = federation.signature()
    with store.locked():
        summary = store.read("summary")
        if summary is not None:
            store.same(summary.get("signature"), signature)
            return Outcome(True, 0, (), summary)
        progress, warnings = store.latest(signature)
        resumed = progress.round if progress else 0
        if progress is None:
            progress = begin(federation)
            watch(progress.rows[0])
        warnings += _describe(store, federation, labels)
        store.rewrite_history(progress.rows)
        try:
            for progress in proceed(federation, progress):  # noqa: B020 (that is what it returns)
                store.append_history(progress.rows[-1])
                watch(progress.rows[-1])
                if progress.round % every == 0 and progress.round < federation.rounds:
                    store.save(progress, signature)
        except KeyboardInterrupt:
            store.save(progress, signature)
            raise
        if torch.equal(progress.params[0], federation.objective.first):
            warnings.append("No weight changed in the whole run: nothing was learned.")
        summary = _summary(federation, progress, signature)
        tensors = federation.objective.packing.unpack(progress.params[0])
        store.finish(progress, tensors, summary)
        return Outcome(False, resumed, tuple(warnings), summary)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let PyTorch use this many threads, and then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _describe(store: Store, federation: Federation, labels: dict[str, Any]) -> list[str]:
    """Write all that is known before training; return what a resumed run should be told."""
    now = environment()
    before = store.read("environment")
    store.describe("experiment", labels)
    store.describe("data", federation.objective.data.description())
    layers = quantum_layers(federation.objective.module)
    if layers:
        write_atomic(store.folder / "circuit.txt", f"{layers[0].circuit.draw()}\n".encode())
        write_atomic(store.folder / "circuit.svg", _picture(layers[0].circuit))
    if before is None:
        store.describe("environment", now)
        return []
    changed = [p for p in (*PACKAGES, "processor") if before.get(p) != now[p]]
    return [
        f"The run was begun with {p} {before.get(p)} and goes on with {now[p]}: its last bits may "
        "differ from those of an uninterrupted run."
        for p in changed
    ]


def _summary(federation: Federation, progress: Progress, signature: str) -> dict[str, Any]:
    return {
        "status": "finished",
        "rounds": progress.round,
        "hash": progress.digest(),
        "signature": signature,
        "seconds": sum(row["seconds"] for row in progress.rows),
        "final": {
            name: value
            for name, value in progress.rows[-1].items()
            if name == "train_loss" or name.startswith("test_")
        },
        "parameters": {
            "total": federation.objective.packing.size,
            "quantum": federation.costs.weights,
        },
    }


def _picture(circuit: Circuit) -> bytes:
    """Return the circuit's picture as SVG, the same bytes for the same circuit."""
    from matplotlib import rc_context

    from fedqml.quantum.picture import picture

    stream = BytesIO()
    with rc_context({"svg.hashsalt": "fedqml"}):
        picture(circuit).savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
