"""The same runs from Python: ``fq.run`` with objects instead of a file."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from fedqml.core.errors import require
from fedqml.core.transform import Strategy
from fedqml.data.task import Task
from fedqml.engines.cohort import Engine
from fedqml.engines.vectorised import vectorised
from fedqml.experiments.config import identifier
from fedqml.experiments.rounds import Row, advance, begin, federation, proceed
from fedqml.experiments.run import Watch, run_in
from fedqml.experiments.store import Store
from fedqml.federated.training import Local


@dataclass(frozen=True, eq=False)
class History:
    """A finished run.

    Attributes:
        rows: a dictionary for each round, row 0 before any training.
        hash: SHA-256 of weights and history; equal hashes mean equal bits.
        weights: the trained tensors by name.
        folder: where the run lies on disk, if it does.
    """

    rows: tuple[Row, ...]
    hash: str
    weights: dict[str, torch.Tensor]
    folder: Path | None
    _module: nn.Module

    def column(self, name: str) -> list[Any]:
        """Return a quantity over the rounds, for example ``"test_accuracy"``."""
        require(name in self.rows[-1], "name", name, f"be one of {', '.join(self.rows[-1])}")
        return [row[name] for row in self.rows]

    def model(self) -> nn.Module:
        """Return the trained model, ready to use; each call makes another copy."""
        module = deepcopy(self._module)
        # Not strict: frozen tensors are in the module already.
        module.load_state_dict(self.weights, strict=False)
        return module.eval()


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
) -> History:
    """Train a federation of your own.

    Args:
        task: model, loss and data.
        local: how a client trains.
        strategy: what is done to the updates.
        rounds: rounds of training.
        clients_per_round: clients drawn each round.
        seed: decides the first weights, the cohorts, the batches and the dropout.
        engine: where clients train; ``vectorised()`` if left out.
        results: a folder for checkpoints, history and model, as ``fedqml run`` writes them; the
            same call again resumes or finds the run done. Its id is made from the run after one
            round, so whatever changes that round (data, model, rules) begins a new run.
        name: of the experiment, for the report.
        arm: of the experiment, for the report.
        checkpoint_every: rounds between checkpoints.
        watch: called with each new row of the history.

    Returns:
        The history, and with it the trained model.

    Raises:
        InputError: for whatever does not fit together, before any training.
        Busy: if another process is at work on the same run.
    """
    require(checkpoint_every >= 1, "checkpoint_every", checkpoint_every, "be at least 1")
    ready = federation(
        task, local, strategy, engine or vectorised(), rounds, clients_per_round, seed
    )
    if results is None:
        progress = begin(ready)
        watch(progress.rows[-1])
        for progress in proceed(ready, progress):  # noqa: B020 (that is what it returns)
            watch(progress.rows[-1])
        weights = ready.objective.packing.unpack(progress.params[0])
        return History(progress.rows, progress.digest(), weights, None, ready.objective.module)
    first = advance(ready, begin(ready)).digest()
    what = {"name": name, "arm": arm, "rounds": rounds, "first_round": first}
    store = Store(Path(results) / identifier(what))
    labels = {
        "id": store.folder.name,
        "name": name,
        "title": name,
        "arm": {"label": arm, "central": ready.clients == 1},
        "seed": seed,
        "config": {
            "local": {"epochs": local.epochs, "batch_size": local.batch_size},
            "run": {"rounds": rounds, "clients_per_round": clients_per_round},
        },
    }
    outcome = run_in(store, ready, labels, checkpoint_every, watch)
    weights = load_file(store.folder / "model.safetensors")
    return History(
        store.history(), outcome.summary["hash"], weights, store.folder, ready.objective.module
    )
