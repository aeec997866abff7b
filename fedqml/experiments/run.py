"""Run a federation in a folder: resumed where it stopped, skipped where it is done."""

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from fedqml.core.errors import InputError
from fedqml.core.files import write_atomic
from fedqml.core.threads import threads
from fedqml.experiments.build import Build
from fedqml.experiments.costs import quantum_layers
from fedqml.experiments.environment import PACKAGES, environment
from fedqml.experiments.experiment import Experiment
from fedqml.experiments.labels import LABELS
from fedqml.experiments.predictions import predictions
from fedqml.experiments.rounds import Federation, Progress, Row, begin, proceed
from fedqml.experiments.store import Damaged, Store
from fedqml.quantum.circuit import Circuit

_NAMES = ("name", "title", "arm")
_SINCE = "labelled"  # since when the labels are what they are

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
            "name": experiment.name,
            "title": experiment.title,
            "arm": {"label": experiment.arm, "central": federation.clients == 1},
            **experiment.labels,
        }
        store = Store(results / experiment.id)
        every = experiment.run.checkpoint_every
        return run_in(store, federation, labels, experiment.config, every, watch)


def run_in(
    store: Store,
    federation: Federation,
    labels: dict[str, Any],
    config: Any,
    every: int,
    watch: Watch,
) -> Outcome:
    """Run a federation in a folder, from its newest checkpoint if there is one.

    Args:
        store: the folder.
        federation: what to run.
        labels: name and title of the experiment, its arm, and what else is for the report only.
        config: the settings, for people.
        every: rounds between checkpoints.
        watch: called with each new row.

    Raises:
        InputError: if the folder cannot be written, or holds a run of other data or model.
        Busy: if another process is at work there.
        BaseException: whatever stops the rounds, after saving those done.
    """
    signature = federation.signature()
    with store.locked(), _writing(store.folder):
        summary, warnings = _finished(store, federation, signature)
        if summary is not None:
            store.drop_checkpoints()
            warnings += _describe(store, federation, labels, config)
            summary, remade = _with_predictions(store, federation, summary)
            warnings += remade
            return Outcome(True, 0, tuple(warnings), summary)
        store.prepare()
        progress, damaged = store.latest(signature)
        warnings += damaged
        resumed = progress.round if progress else 0
        if progress is None:
            progress = begin(federation)
            watch(progress.rows[0])
        warnings += _describe(store, federation, labels, config)
        store.rewrite_history(progress.rows)
        saved = resumed
        try:
            for progress in proceed(federation, progress):  # noqa: B020 (that is what it returns)
                store.append_history(progress.rows[-1])
                watch(progress.rows[-1])
                if progress.round % every == 0 or progress.round == federation.rounds:
                    store.save(progress, signature)
                    saved = progress.round
        except BaseException:
            if progress.round > saved:
                with _signals_ignored():
                    store.save(progress, signature)
            raise
        if torch.equal(progress.params[0], federation.objective.first):
            warnings.append("No weight changed in the whole run: nothing was learned.")
        predicted = predictions(federation, progress)
        summary = _summary(federation, progress, signature, predicted)
        trained = federation.objective.packing.unpack(progress.params[0])
        store.finish(progress, {**federation.objective.frozen, **trained}, predicted, summary)
        return Outcome(False, resumed, tuple(warnings), summary)


def check(store: Store, federation: Federation) -> bool:
    """Return whether the folder holds this run, finished.

    Raises:
        InputError: if it holds one of other data or another model.
    """
    return _finished(store, federation, federation.signature())[0] is not None


def _finished(
    store: Store, federation: Federation, signature: str
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the summary of a run that is finished and whole, and sentences on what is not."""
    try:
        summary = store.read("summary")
        if summary is None:
            return None, []
        store.same(summary["signature"], signature)
        progress = store.finished(federation.objective.packing)
        if progress.digest() != summary["hash"]:
            raise Damaged("weights or history differ from its hash")
        whole = _summary(federation, progress, signature, None)
        # Not `parameters`: another version may count those in circuits in another way.
        for name in ("status", "rounds", "seconds", "final"):
            if summary.get(name) != whole[name]:
                raise Damaged(f"the history does not give its `{name}`")
    except (Damaged, KeyError) as error:
        return None, [f"The finished run in {store.folder} is damaged ({error}); made anew."]
    return summary, []


def _with_predictions(
    store: Store, federation: Federation, summary: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return a finished run's summary, its predictions made anew if they are not whole.

    They follow from the model, so nothing is trained again; runs made before predictions were
    saved get theirs in the same way.
    """
    if "predictions" in summary and store.has_predictions(summary["predictions"]):
        return summary, []
    progress = store.finished(federation.objective.packing)
    predicted = predictions(federation, progress)
    mended = {**summary, "predictions": _checksum(predicted)}
    store.finish_predictions(predicted, mended)
    if "predictions" not in summary:
        return mended, []
    return mended, [f"The predictions in {store.folder} were damaged; made anew from the model."]


def _describe(
    store: Store, federation: Federation, labels: dict[str, Any], config: Any
) -> list[str]:
    """Write all that is known before training; return what a resumed run should be told."""
    _label(store, labels, {"seed": federation.seed, "config": config})
    store.describe("data", federation.objective.data.description())
    layers = quantum_layers(federation.objective.module)
    if layers and not (store.folder / "circuit.svg").exists():
        write_atomic(store.folder / "circuit.txt", f"{layers[0].circuit.draw()}\n".encode())
        write_atomic(store.folder / "circuit.svg", _picture(layers[0].circuit))
    now = environment()
    try:
        before = store.read("environment")
    except Damaged:
        before = None
    if before is None:
        store.describe("environment", now)
        return []
    changed = [p for p in (*PACKAGES, "processor") if before.get(p) != now[p]]
    told = [
        f"The run was begun with {p} {before.get(p)}, and this is {now[p]}: the last bits may "
        "differ."
        for p in changed
    ]
    code = before.get("code")  # runs of before it was kept have none
    if code is not None and code != now["code"]:
        told.append(
            f"The run was begun with other code of fedqml ({code!s:.12}; this is "
            f"{now['code']:.12}): results may differ."
        )
    return told


def _label(store: Store, labels: dict[str, Any], rest: dict[str, Any]) -> None:
    """Write ``experiment.json``; a run that several experiments share keeps all its labels."""
    try:
        before = store.read("experiment") or {}
    except Damaged:
        before = {}
    known = []
    if before.keys() >= {*_NAMES}:
        known.append({key: before[key] for key in (*_NAMES, *LABELS, _SINCE) if key in before})
    known += before.get("also", [])
    same = [k for k in known if {**k, _SINCE: None} == {**labels, _SINCE: None}]
    now = datetime.now(UTC).isoformat()
    # A new title of an experiment replaces its old one; the report takes its newest labels.
    others = [k for k in known if (k["name"], k["arm"]) != (labels["name"], labels["arm"])]
    since = {_SINCE: same[0].get(_SINCE, now) if same else now}
    described = {"id": store.folder.name, **labels, **since, **rest, "also": others}
    store.describe("experiment", described)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a failing disk into a sentence; what was saved before is whole."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever watches has gone; the folder is well
    except OSError as error:
        raise InputError(f"The results folder {folder} cannot be written: {error}") from error


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Let a second Ctrl-C not cut the saving short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _picture(circuit: Circuit) -> bytes:
    """Return the circuit's picture as SVG, the same bytes for the same circuit."""
    from matplotlib import rc_context

    from fedqml.quantum.picture import picture

    stream = BytesIO()
    with rc_context({"svg.hashsalt": "fedqml"}):
        picture(circuit).savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _checksum(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _summary(
    federation: Federation, progress: Progress, signature: str, predicted: bytes | None
) -> dict[str, Any]:
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
            "quantum": federation.costs[federation.objective].weights,
        },
        "predictions": _checksum(predicted),
    }
