"""The only loop: rounds of sampling, local training, aggregation and evaluation."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.errors import InputError, require, whole
from fedqml.core.finite import finite_rows
from fedqml.core.packing import Packing
from fedqml.core.random import derive, stream
from fedqml.core.resolve import placed
from fedqml.core.transform import Strategy, Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.data.task import Objective, Task
from fedqml.engines.cohort import Engine, Train, kept_by
from fedqml.engines.fleet import by_hardware
from fedqml.engines.remote.engine import Remote
from fedqml.experiments.costs import CircuitCosts, circuit_costs
from fedqml.experiments.left_out import left_out
from fedqml.experiments.personal import personal_measures
from fedqml.federated.clock import Clock, Schedule, Turn, Work, schedule
from fedqml.federated.coding import BYTES
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


def federation(
    task: Task,
    local: Local,
    strategy: Strategy,
    engine: Engine,
    rounds: int,
    clients_per_round: int,
    seed: int,
    code: str,
    clock: Clock | None = None,
) -> Federation:
    """Check that everything fits together, before any training.

    Raises:
        InputError: for a model that does not fit the data, more clients a round than there are,
            a server that does not leave one row, or a clock that does not go with the rest.
    """
    rounds = whole("rounds", rounds, least=1)
    seed = whole("seed", seed, least=0)
    clients_per_round = whole("clients_per_round", clients_per_round, least=1)
    clients = len(task.data.clients)
    require(
        clients_per_round <= clients,
        "clients_per_round",
        clients_per_round,
        f"be at most the number of clients, {clients}",
    )
    beyond = sorted(client for client in local.budgets if client not in range(clients))
    allowed = f"name clients from 0 to {clients - 1}"
    require(not beyond, "budgets", beyond, allowed)
    if clock and isinstance(engine, Remote):
        raise InputError(
            "The engine `flower` trains on other machines, which take the time that they take: an "
            "experiment with a section `clock` needs another engine."
        )
    objective = task.objective(seed)
    # On nodes each client has its own hardware anyway.
    engine = engine if isinstance(engine, Remote) else by_hardware(engine)
    train = engine(objective, local, strategy.client)
    untrained = left_out(objective)
    trial = Context(
        1,
        torch.arange(clients_per_round),
        objective.first[None],
        seed=0,
        population=clients,
        left_out=untrained,
    )
    bytes_up = _try_strategy(strategy, trial, local, objective.packing, clock is not None)
    sent = strategy.server.sent(strategy.server.init(objective.first))
    local.start(Received(objective.first, sent, objective.packing), {})
    timed = None
    if clock:
        samples = tuple(local.samples(c, len(own)) for c, own in enumerate(task.data.clients))
        down = float(_bytes_down(objective, sent))
        work = Work(samples, down, bytes_up, clients_per_round, seed)
        with placed("clock"):
            timed = schedule(clock, work, rounds)
        if sent and timed.stale:
            raise InputError(
                "A rule on the server's side sends its state with the weights, as `scaffold` does, "
                "and clients would be sent one newer than the weights that they begin with: such "
                "rules need a clock on which no update is stale, such as `synchronous`."
            )
    return Federation(
        objective,
        train,
        strategy.server,
        local,
        {kind: circuit_costs(kind) for kind in (objective, *objective.equipped.values())},
        untrained,
        rounds,
        clients_per_round,
        seed,
        code,
        timed,
    )


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
        bytes_up.extend(_bytes_up(part))
        metrics = _measured(part)
        if federation.schedule:
            stale = torch.tensor([ages[client] for client in part.clients.tolist()])
            metrics = {**metrics, STALENESS: stale.to(part.weight)}
        folding.add(replace(part, metrics=metrics))

    clients = federation.train(context, progress.clients, collect)
    updates, server = folding.finish()
    _check_one_row(updates, progress.params)
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
        "bytes_down": _bytes_down(objective, sent) * len(cohort),
        "bytes_up": bytes_up,
        "circuit_evaluations": total.evaluations,
        "shots": total.shots,
        "hardware_evaluations": hardware,
    }


def _bytes_down(objective: Objective, sent: State) -> int:
    """Return the bytes that a client is sent."""
    return objective.first.nbytes + sum(tensor.nbytes for tensor in sent.values())


def _bytes_up(updates: Updates) -> list[int] | list[float]:
    """Return the bytes that each client sends: as it says itself, or those of all its numbers.

    Those of what it reports come on top.
    """
    rows = updates.delta
    whole = rows.shape[1] * rows.element_size()
    reported = sum(values[0].nbytes for values in updates.reports.values())
    said = updates.metrics.get(BYTES)
    own = [whole] * len(rows) if said is None else said.tolist()
    return [size + reported for size in own]


def _measured(updates: Updates) -> Mapping[str, Tensor]:
    """Return the metrics without the bytes, which are not the rules' business."""
    return {name: values for name, values in updates.metrics.items() if name != BYTES}


def _try_strategy(
    strategy: Strategy, context: Context, local: Local, packing: Packing, timed: bool
) -> float:
    """Apply both sides to made-up updates, so that what does not fit is said before training.

    Returns:
        The bytes that a client sends.
    """
    cohort, first = context.cohort, context.params[0]
    draws = stream(0, "trial").standard_normal(len(first), dtype=np.float32)
    row = torch.from_numpy(draws).mul_(1e-3).to(first.dtype)[None]
    ones = torch.ones_like(first[:1])
    try:
        server = strategy.server.init(first)
        received = Received(first, strategy.server.sent(server), packing)
        reports = {n: torch.ones_like(v)[None] for n, v in local.reported(received).items()}
        one = Updates(cohort[:1], row, ones, {"train_loss": ones, "steps": ones}, reports=reports)
        state = {name: value[None] for name, value in strategy.client.init(first).items()}
        sent, _ = strategy.client.apply(one, state, context)
        # One by one, as they come from an engine for large models: no stack but the rule's own.
        folding = strategy.server.begin(server, context)
        metrics = {**one.metrics, STALENESS: 0 * ones} if timed else one.metrics
        for client in range(len(cohort)):
            folding.add(replace(one, clients=cohort[client : client + 1], metrics=metrics))
        left, _ = folding.finish()
    except InputError:
        raise
    except Exception as error:  # the user's code: anything can come
        raise InputError(
            f"The strategy fails on made-up updates with {type(error).__name__}: {error}"
        ) from error
    same = _measured(sent).keys() == one.metrics.keys() and sent.reports.keys() == reports.keys()
    if sent.delta.shape != row.shape or not same:
        raise InputError(
            "The client's side of the strategy must leave a client's row, metrics and reports in "
            f"place, but of shape {tuple(row.shape)} it leaves {tuple(sent.delta.shape)}, with the "
            f"metrics {sorted(sent.metrics)} and the reports {sorted(sent.reports)}."
        )
    _check_one_row(left, first[None])
    return float(_bytes_up(sent)[0])


def _check_one_row(updates: Updates, params: Float[Tensor, "1 d"]) -> None:
    given = (tuple(updates.delta.shape), updates.delta.dtype)
    wanted = (tuple(params.shape), params.dtype)
    if given != wanted or "train_loss" not in updates.metrics:
        raise InputError(
            "The server's side of the strategy must leave one row, as the aggregator `mean` does: "
            f"updates of shape and type {wanted} with the clients' metrics, but it leaves {given} "
            f"with the metrics {sorted(updates.metrics)}."
        )


def _bytes(tensor: Tensor) -> memoryview:
    """Return a tensor's memory; of a large model a copy would cost."""
    return tensor.detach().cpu().contiguous().reshape(-1).numpy().data.cast("B")
