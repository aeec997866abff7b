"""The only loop: rounds of sampling, local training, aggregation and evaluation."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.finite import finite_rows
from fedqml.core.random import derive
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.data.task import Objective
from fedqml.engines.cohort import Train, kept_by
from fedqml.experiments.costs import CircuitCosts
from fedqml.experiments.personal import personal_measures
from fedqml.experiments.traffic import bytes_down, bytes_of, measured
from fedqml.experiments.trial import require_one_row
from fedqml.federated.clock import Schedule, Turn
from fedqml.federated.sampling import sample
from fedqml.federated.staleness import STALENESS
from fedqml.federated.training import Local, Received

Row = dict[str, Any]
"""A round in the history, as it stands in ``history.jsonl``."""

_PASSING = ("seconds", "wire_down", "wire_up")  # of a run, but not of its result


@dataclass(frozen=True, eq=False)
class Federation:
    """All that a run needs, checked and ready.

    Attributes:
        objective: model, loss and data as a function of the weights.
        train: trains a cohort.
        server: the server's side of the strategy.
        local: how a client trains.
        costs: circuit executions for one example, on each kind of hardware.
        left_out: the weights that clients with smaller circuits do not train.
        rounds: how many rounds to train.
        clients_per_round: the cohort's size.
        seed: the run's seed.
        code: a hash of what functions outside fedqml do.
        schedule: on a virtual clock, who arrives when; None without one.
    """

    objective: Objective
    train: Train
    server: Transform
    local: Local
    costs: Mapping[Objective, CircuitCosts]
    left_out: Mapping[int, Int[Tensor, " n"]]
    rounds: int
    clients_per_round: int
    seed: int
    code: str
    schedule: Schedule | None

    @property
    def clients(self) -> int:
        """The number of clients."""
        return len(self.objective.data.clients)

    def turn(self, number: int) -> Turn:
        """Return who takes part in a round, and with which weights."""
        if self.schedule:
            return self.schedule.turns[number - 1]
        cohort = sample(self.clients, self.clients_per_round, self.seed, number).tolist()
        return Turn(tuple(cohort), (number - 1,) * len(cohort))

    def signature(self) -> str:
        """Return the SHA-256 of what a saved run must share to be continued.

        The data and its split, the model's tensors with their first values, the sampling, who
        arrives when, and the user's own code.
        """
        objective = self.objective
        shapes = [objective.packing.shapes, [(n, t.shape) for n, t in objective.frozen.items()]]
        what = [objective.data.fingerprint(), self.clients_per_round, self.seed, self.code, shapes]
        sha = hashlib.sha256(repr(what).encode())
        if self.schedule:
            sha.update(repr(self.schedule.turns).encode())
        for tensor in (objective.first, *objective.frozen.values()):
            sha.update(_bytes(tensor))
        return sha.hexdigest()


@dataclass(frozen=True, eq=False)
class Progress:
    """A run after some rounds; together with the federation it determines all the rest.

    Random streams are functions of seed, purpose, round and client, so none is kept here.

    Attributes:
        round: rounds done.
        params: the global weights.
        server: what the server's side of the strategy remembers.
        clients: what the clients remember.
        rows: the history, row 0 before any training.
        past: by round, older global weights with which clients began who are still to arrive.
    """

    round: int
    params: Float[Tensor, "1 d"]
    server: State
    clients: State
    rows: tuple[Row, ...]
    past: State = field(default_factory=dict)

    def digest(self) -> str:
        """Return the SHA-256 of the weights and of the history without timings and traffic.

        Equal digests mean equal bits. Of ``absent`` it knows who, but not why.
        """
        lasting = [
            {k: sorted(v) if k == "absent" else v for k, v in row.items() if k not in _PASSING}
            for row in self.rows
        ]
        sha = hashlib.sha256(_bytes(self.params))
        sha.update(json.dumps(lasting, sort_keys=True).encode())
        return sha.hexdigest()


def begin(federation: Federation) -> Progress:
    """Return the run before its first round, the first weights evaluated."""
    started = time.perf_counter()
    objective = federation.objective
    row: Row = {"round": 0, "clients": [], "refused": [], "train_loss": None}
    if federation.schedule:
        row |= {"time": 0.0, STALENESS: []}
    row |= _tested(federation, objective.first, 0)
    row |= _at_home(federation, [], objective.first, {}, {}, 0)
    row |= _costs(federation, [], {}, 0)
    row["seconds"] = time.perf_counter() - started
    server = federation.server.init(objective.first)
    return Progress(0, objective.first[None], server, {}, (row,))


def advance(federation: Federation, progress: Progress) -> Progress:
    """Return the run after one more round.

    Raises:
        InputError: if training diverged.
    """
    started = time.perf_counter()
    number = progress.round + 1
    turn = federation.turn(number)
    began = dict(zip(turn.clients, turn.versions, strict=True))
    ages = {client: progress.round - version for client, version in began.items()}
    sent = federation.server.sent(progress.server)
    context = Context(
        number,
        torch.tensor(turn.clients),
        progress.params,
        federation.seed,
        sent=sent,
        population=federation.clients,
        left_out=federation.left_out,
        begun={client: progress.past[str(began[client])] for client, age in ages.items() if age},
    )
    at_server = replace(context, scope="server/")
    folding = federation.server.begin(progress.server, at_server)
    notes: Row = {}
    if turn.absent:
        notes["absent"] = {str(client): why for client, why in turn.absent.items()}
    bytes_up: list[float] = []

    def collect(part: Updates) -> None:
        notes.update(part.notes)
        bytes_up.extend(bytes_of(part))
        metrics = measured(part)
        if federation.schedule:
            stale = torch.tensor([ages[client] for client in part.clients.tolist()])
            metrics = {**metrics, STALENESS: stale.to(part.weight)}
        folding.add(replace(part, metrics=metrics))

    clients = federation.train(context, list(turn.clients), progress.clients, collect)
    updates, server = folding.finish()
    require_one_row(updates, progress.params)
    params = progress.params + updates.delta
    if not bool(finite_rows(params).all()):
        raise InputError(
            f"In round {number} the global weights became NaN or infinite: training has "
            "diverged. A smaller learning rate is the usual cure."
        )
    share = updates.weight / updates.weight.sum()
    row: Row = {
        "round": number,
        "clients": sorted((*turn.clients, *turn.absent)),
        "refused": updates.refused.tolist(),
        "train_loss": _finite(float((share * updates.metrics["train_loss"]).sum())),
    }
    if federation.schedule:
        row |= {"time": turn.time, STALENESS: list(ages.values())}
    row |= notes
    row |= _tested(federation, params[0], number)
    absent = notes.get("absent", {})
    present = [client for client in turn.clients if str(client) not in absent]
    row |= _at_home(federation, present, params[0], sent, clients, number)
    row |= _costs(federation, present, sent, round(sum(bytes_up)))
    row["seconds"] = time.perf_counter() - started
    past = _in_flight(federation, progress)
    return Progress(number, params, server, clients, (*progress.rows, row), past)


def _in_flight(federation: Federation, progress: Progress) -> State:
    """Return the weights before the next round and older ones that later rounds begin with."""
    if not federation.schedule:
        return {}
    versions = {**progress.past, str(progress.round): progress.params[0]}
    last, done = federation.schedule.last, progress.round + 1
    return {name: row for name, row in versions.items() if last.get(int(name), 0) > done}


def proceed(federation: Federation, progress: Progress) -> Iterator[Progress]:
    """Yield the run after each of the rounds that are left."""
    while progress.round < federation.rounds:
        progress = advance(federation, progress)
        yield progress


def tested_outputs(federation: Federation, progress: Progress) -> Tensor:
    """Return the outputs on the test data behind the ``test_`` columns of the last row.

    Whatever the model draws is drawn as it was then. Hardware cannot repeat its draws; there the
    outputs are those of another execution.

    Returns:
        The outputs, shape ``(tests, ...)``.
    """
    key = _evaluation_key(federation, progress.round)
    return federation.objective.predict(progress.params[0], key)


def _tested(federation: Federation, params: Float[Tensor, " d"], round: int) -> Row:
    values = federation.objective.evaluate(params, _evaluation_key(federation, round))
    return {f"test_{name}": _finite(value) for name, value in values.items()}


def _at_home(
    federation: Federation,
    cohort: list[int],
    params: Float[Tensor, " d"],
    sent: State,
    clients: State,
    round: int,
) -> Row:
    """Return what the cohort's own models come to, where the local rule gives them some."""
    if federation.local.personal is None:
        return {}
    received = Received(params, sent, federation.objective.packing)
    values = personal_measures(
        federation.objective,
        federation.local.personal,
        received,
        kept_by(clients, cohort),
        _evaluation_key(federation, round),
    )
    return {f"test_personal_{name}": _finite(value) for name, value in values.items()}


def _evaluation_key(federation: Federation, round: int) -> Tensor:
    return torch.tensor(derive(federation.seed, "evaluation", round) % 2**63)


def _finite(value: float) -> float | None:
    # A loss can be infinite where weights are not; JSON has no such number.
    return value if math.isfinite(value) else None


def _costs(federation: Federation, cohort: list[int], sent: State, bytes_up: int) -> Row:
    objective = federation.objective
    server, tested = federation.costs[objective], objective.data.tested_rows()
    total, hardware = tested * server.forward, tested * server.hardware_forward
    samples = 0
    for client in cohort:
        costs = federation.costs[objective.of(client)]
        trained = federation.local.samples(client, len(objective.data.clients[client]))
        total += trained * costs.gradient
        hardware += trained * costs.hardware_gradient
        samples += trained
    return {
        "samples": samples,
        "bytes_down": bytes_down(objective, sent) * len(cohort),
        "bytes_up": bytes_up,
        "circuit_evaluations": total.evaluations,
        "shots": total.shots,
        "hardware_evaluations": hardware,
    }


def _bytes(tensor: Tensor) -> memoryview:
    """Return a tensor's memory; of a large model a copy would cost."""
    return tensor.detach().cpu().contiguous().reshape(-1).numpy().data.cast("B")
