"""The same runs from Python: ``fq.run`` with objects instead of a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fedqml.core.behaviour import behaviour
from fedqml.core.denormals import denormals_as_zero
from fedqml.core.errors import InputError, require, whole
from fedqml.core.threads import threads
from fedqml.core.transform import Strategy
from fedqml.data.task import Objective, Task
from fedqml.engines.cohort import Engine
from fedqml.engines.vectorised import vectorised
from fedqml.experiments.assembly import federation
from fedqml.experiments.experiment import identifier
from fedqml.experiments.rounds import Progress, Row, begin, proceed
from fedqml.experiments.run import Watch, run_in
from fedqml.experiments.store import Store
from fedqml.federated.clock import Clock
from fedqml.federated.training import Local


@dataclass(frozen=True, eq=False)
class History:
    """A finished run.

    Attributes:
        rows: a dictionary for each round, row 0 before any training.
        hash: SHA-256 of weights and history; equal hashes mean equal bits.
        folder: where the run lies on disk, if it does.
    """

    rows: tuple[Row, ...]
    hash: str
    folder: Path | None
    _objective: Objective
    _params: torch.Tensor

    @property
    def weights(self) -> Mapping[str, torch.Tensor]:
        """The trained tensors by name."""
        return self._objective.packing.unpack(self._params)

    def column(self, name: str) -> list[Any]:
        """Return a quantity over the rounds, for example ``"test_accuracy"``."""
        require(name in self.rows[-1], "name", name, f"be one of {', '.join(self.rows[-1])}")
        return [row[name] for row in self.rows]

    def model(self) -> nn.Module:
        """Return the trained model, ready to use; each call makes another copy."""
        return self._objective.trained(self._params)


def run(
    task: Task,
    local: Local,
    strategy: Strategy,
    rounds: int,
    clients_per_round: int,
    seed: int = 0,
    engine: Engine | None = None,
    results: str | Path | None = None,
    name: str = "python",
    arm: str = "federated",
    checkpoint_every: int = 10,
    watch: Watch = lambda row: None,
    clock: Clock | None = None,
) -> History:
    """Train a federation of your own, on one thread.

    Args:
        task: model, loss and data.
        local: how a client trains.
        strategy: what is done to the updates.
        rounds: rounds of training.
        clients_per_round: clients drawn each round.
        seed: decides the first weights, the cohorts, the batches and the dropout.
        engine: where clients train; ``vectorised()`` if left out.
        results: a folder for checkpoints, history and model, as ``fedqml run`` writes them; the
            same call again resumes or finds the run done. Its id covers the data, the first
            weights, the settings, and the code of your functions with the values that they hold
            (see ``fedqml.core.behaviour``): whatever of these changes begins a new run.
        name: of the experiment, for the report.
        arm: of the experiment, for the report.
        checkpoint_every: rounds between checkpoints.
        watch: called with each new row of the history.
        clock: who arrives when in virtual time, such as ``fq.clocks.asynchronous`` returns; without
            one all that are drawn arrive together, and the history knows no time.

    Returns:
        The history, and with it the trained model.

    Raises:
        InputError: for whatever does not fit together, before any training.
        Busy: if another process is at work on the same run.
    """
    engine = vectorised() if engine is None else engine
    _expect(task=(task, Task), local=(local, Local), strategy=(strategy, Strategy))
    _expect(name=(name, str), arm=(arm, str))
    for argument, function in (("engine", engine), ("watch", watch)):
        require(callable(function), argument, function, "be a function")
    require(clock is None or callable(clock), "clock", clock, "be a function")
    checkpoint_every = whole("checkpoint_every", checkpoint_every, least=1)
    with threads(1), denormals_as_zero():
        given = task.model, task.loss, task.metrics, dict(task.fleet), local, strategy, engine
        code = "" if results is None else behaviour(*given)
        ready = federation(
            task, local, strategy, engine, rounds, clients_per_round, seed, code, clock
        )
        if results is None:
            progress = begin(ready)
            watch(progress.rows[-1])
            for progress in proceed(ready, progress):  # noqa: B020 (that is what it returns)
                watch(progress.rows[-1])
            return _history(ready.objective, progress, None)
        settings = {
            "local": {"epochs": local.epochs, "batch_size": local.batch_size},
            "run": {"rounds": ready.rounds, "clients_per_round": ready.clients_per_round},
        }
        labels = {"name": name, "title": name, "arm": {"label": arm, "central": ready.clients == 1}}
        what = {**labels, "config": settings, "signature": ready.signature()}
        store = Store(Path(results) / identifier(what))
        run_in(store, ready, labels, settings, checkpoint_every, watch)
        return _history(ready.objective, store.finished(ready.objective.packing), store.folder)


def _history(objective: Objective, progress: Progress, folder: Path | None) -> History:
    return History(progress.rows, progress.digest(), folder, objective, progress.params[0])


def _expect(**arguments: tuple[object, type]) -> None:
    for name, (value, kind) in arguments.items():
        if not isinstance(value, kind):
            raise InputError(f"Argument `{name}` must be a {kind.__name__}, but it is {value!r}.")
