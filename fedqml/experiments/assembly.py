"""From a task, a local rule, a strategy and an engine to a federation that can run."""

from dataclasses import dataclass

import torch

from fedqml.core.errors import InputError, require, whole
from fedqml.core.resolve import placed
from fedqml.core.transform import Strategy, Transform
from fedqml.core.updates import Context
from fedqml.data.task import Objective, Task
from fedqml.engines.cohort import Engine, Train
from fedqml.engines.fleet import by_hardware
from fedqml.engines.remote.engine import Remote
from fedqml.experiments.costs import circuit_costs
from fedqml.experiments.left_out import left_out
from fedqml.experiments.rounds import Federation
from fedqml.experiments.traffic import bytes_down
from fedqml.experiments.trial import try_strategy
from fedqml.federated.clock import Clock, Schedule, Work, schedule
from fedqml.federated.training import Local, Received


@dataclass(frozen=True, eq=False)
class Clients:
    """The clients' side of a run, which those share that differ in the server's side only.

    Attributes:
        objective: what is learned, as a function of the weights.
        local: how a client trains.
        transform: the client's side of the strategy.
        train: trains a cohort.
        on_nodes: whether other machines do.
        seed: the run's seed.
    """

    objective: Objective
    local: Local
    transform: Transform
    train: Train
    on_nodes: bool
    seed: int


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
        InputError: for a model that does not fit the data; see ``clients_of`` and ``served``.
    """
    seed = whole("seed", seed, least=0)
    clients = clients_of(task.objective(seed), local, strategy.client, engine, seed)
    return served(clients, strategy.server, rounds, clients_per_round, code, clock)


def clients_of(
    objective: Objective, local: Local, transform: Transform, engine: Engine, seed: int
) -> Clients:
    """Check that data and local rule fit together, and make ready to train.

    Raises:
        InputError: for a budget of nobody.
    """
    clients = len(objective.data.clients)
    beyond = sorted(client for client in local.budgets if client not in range(clients))
    require(not beyond, "budgets", beyond, f"name clients from 0 to {clients - 1}")
    # On nodes each client has its own hardware anyway.
    on_nodes = isinstance(engine, Remote)
    train = (engine if on_nodes else by_hardware(engine))(objective, local, transform)
    return Clients(objective, local, transform, train, on_nodes, seed)


def served(
    clients: Clients,
    server: Transform,
    rounds: int,
    clients_per_round: int,
    code: str,
    clock: Clock | None,
) -> Federation:
    """Check that the server's side fits the clients', and return both.

    Raises:
        InputError: for more clients a round than there are, a server that does not leave one row,
            or a clock that does not go with the rest.
    """
    objective, local = clients.objective, clients.local
    there = len(objective.data.clients)
    with placed("run"):
        rounds = whole("rounds", rounds, least=1)
        clients_per_round = whole("clients_per_round", clients_per_round, least=1)
        allowed = f"be at most the number of clients, {there}"
        require(clients_per_round <= there, "clients_per_round", clients_per_round, allowed)
    if clock and clients.on_nodes:
        raise InputError(
            "The engine `flower` trains on other machines, which take the time that they take: an "
            "experiment with a section `clock` needs another engine."
        )
    untrained = left_out(objective)
    trial = Context(
        1,
        torch.arange(clients_per_round),
        objective.first[None],
        seed=0,
        population=there,
        left_out=untrained,
    )
    strategy = Strategy(server, clients.transform)
    bytes_up = try_strategy(strategy, trial, local, objective.packing, clock is not None)
    sent = server.sent(server.init(objective.first))
    with placed("local"):
        local.start(Received(objective.first, sent, objective.packing), {})
    timed = None
    if clock:
        samples = tuple(local.samples(c, len(own)) for c, own in enumerate(objective.data.clients))
        down = float(bytes_down(objective, sent))
        work = Work(samples, down, bytes_up, clients_per_round, clients.seed)
        timed = _timed(clock, work, rounds, bool(sent))
    return Federation(
        objective,
        clients.train,
        server,
        local,
        {kind: circuit_costs(kind) for kind in (objective, *objective.equipped.values())},
        untrained,
        rounds,
        clients_per_round,
        clients.seed,
        code,
        timed,
    )


def _timed(clock: Clock, work: Work, rounds: int, sends: bool) -> Schedule:
    try:
        with placed("clock"):
            timed = schedule(clock, work, rounds)
    except InputError:
        raise
    except Exception as error:  # the user's code: anything can come
        raise InputError(f"clock: it fails with {type(error).__name__}: {error}") from error
    if sends and timed.stale:
        raise InputError(
            "A rule on the server's side sends its state with the weights, as `scaffold` does, "
            "and clients would be sent one newer than the weights that they begin with: such "
            "rules need a clock on which no update is stale, such as `synchronous`."
        )
    return timed
