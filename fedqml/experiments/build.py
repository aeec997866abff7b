"""From a checked experiment to the objects that run it."""

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from fedqml.core.behaviour import behaviour
from fedqml.core.errors import InputError
from fedqml.core.resolve import Supplied, call, find, own_code, placed
from fedqml.core.transform import Transform, chain
from fedqml.data.dataset import Data
from fedqml.data.losses import cross_entropy
from fedqml.data.task import Objective, Task
from fedqml.engines.cohort import Engine
from fedqml.engines.remote.engine import Assignment
from fedqml.engines.remote.transport import Transport
from fedqml.experiments.assembly import Clients, clients_of, served
from fedqml.experiments.calibration import of_clients
from fedqml.experiments.environment import software
from fedqml.experiments.experiment import Experiment, uses
from fedqml.experiments.fubini_study import metric_of
from fedqml.experiments.rounds import Federation
from fedqml.experiments.sections import PLUGINS, SUPPLIED
from fedqml.federated.budget import Budget
from fedqml.federated.clock import Clock
from fedqml.federated.training import Local
from fedqml.quantum.device import Device
from fedqml.quantum.equipment import On, on
from fedqml.quantum.weight_angles import angles

Build = Callable[[Experiment], Federation]

_RETURNS: dict[str, type] = {
    "data": Data,
    "model": nn.Module,
    "device": Device,
    "local": Local,
    "strategy.client": Transform,
    "strategy.server": Transform,
}
"""What a section's factory returns; those of the other sections return functions."""

_OF_OBJECTIVE: dict[str, Callable[[Objective], Any]] = {
    "angles": lambda objective: angles(objective.module),
    "calibration": of_clients,
    "metric": metric_of,
}
"""How what a factory may take of what is learned is worked out."""


def builder(transport: Transport | None = None) -> Build:
    """Return a function that builds experiments, reading each data source only once.

    Experiments that follow each other and differ in the server's side only share their clients,
    and with them what engines have compiled.

    Args:
        transport: the way to the nodes, for engines that have others train.

    The function raises InputError for whatever cannot be used: a missing file, data with NaN,
    fewer rows than clients, a model that does not fit.
    """
    sources: dict[str, Data] = {}
    latest: dict[str, Clients] = {}  # one, as models may be large

    def build(experiment: Experiment) -> Federation:
        own = _clients_key(experiment)
        # Nodes are told of each experiment, and what a user's function makes may remember a run.
        if own not in latest or transport or any(":" in use for use in uses(experiment.config)):
            latest.clear()
            latest[own] = clients(experiment)
        return served(
            latest[own],
            _side(experiment, "server", latest[own].objective),
            experiment.run.rounds,
            experiment.run.clients_per_round,
            _own_code(experiment),
            _clock(experiment),
        )

    def clients(experiment: Experiment) -> Clients:
        config = experiment.config
        source = find(config["data"]["use"], PLUGINS["data"], "data")
        seed = experiment.seed if "seed" in inspect.signature(source).parameters else None
        key = json.dumps([str(experiment.base.resolve()), config["data"], seed])
        if key not in sources:
            sources[key] = _make(experiment, "data", config["data"], {"seed": lambda: seed})
        data = sources[key]
        partition = _make(experiment, "partition", config["partition"])
        with placed("partition"):
            shares = data.split(partition, experiment.seed)
        if "poison" in config:
            poison = _make(experiment, "poison", config["poison"])
            with placed("poison"):
                shares = poison(shares, experiment.seed)
        # As clients train on them: nodes compare what they have with this.
        shares = shares.to(getattr(torch, experiment.run.dtype))
        task = Task(
            _model(experiment, data),
            cross_entropy,
            shares,
            dtype=shares.data.x.dtype,
            fleet=_fleet(experiment, len(shares.clients)),
        )
        objective = task.objective(experiment.seed)
        return clients_of(
            objective,
            _local(experiment, objective),
            _side(experiment, "client", objective),
            _engine(experiment, transport, shares.common_digest()),
            experiment.seed,
        )

    return build


def _clients_key(experiment: Experiment) -> str:
    """Return all that the clients' side of a run depends on."""
    config = {key: value for key, value in experiment.config.items() if key != "clock"}
    apart = {"strategy": config["strategy"]["client"], "run": experiment.run.dtype}
    base = str(experiment.base.resolve())
    return json.dumps([base, {**config, **apart}, experiment.seed, _own_code(experiment)])


def _make(
    experiment: Experiment,
    section: str,
    table: dict[str, Any],
    supplied: Supplied = MappingProxyType({}),
    where: str = "",
) -> Any:
    where = where or section
    factory = find(table["use"], PLUGINS[section], where)
    values = {name: value for name, value in table.items() if name != "use"}
    with own_code(table["use"], where):
        made = call(factory, values, where, experiment.base, supplied)
    wanted = _RETURNS.get(section)
    if not (isinstance(made, wanted) if wanted else callable(made)):
        raise InputError(
            f"{where}: `{table['use']}` must return a {wanted.__name__ if wanted else 'function'}"
            f", but it returned {made!r}."
        )
    return made


def _engine(experiment: Experiment, transport: Transport | None, data: str) -> Engine:
    table = experiment.config["engine"]
    there = {**experiment.config, "engine": table.get("on_nodes", table)}

    def assignment() -> Assignment:
        code = _own_code(experiment)
        what = {"config": there, "seed": experiment.seed, "code": code, "data": data}
        return Assignment(what, software(), experiment.run.checkpoint_every)

    supplied: Supplied = {"transport": lambda: transport, "assignment": assignment}
    return _make(experiment, "engine", table, supplied)


def _clock(experiment: Experiment) -> Clock | None:
    table = experiment.config.get("clock")
    return None if table is None else _make(experiment, "clock", table)


def _side(experiment: Experiment, side: str, objective: Objective) -> Transform:
    section = f"strategy.{side}"
    entries = experiment.config["strategy"][side]
    supplied = _of_objective(section, objective)
    return chain(*(_make(experiment, section, entry, supplied) for entry in entries))


def _of_objective(section: str, objective: Objective) -> Supplied:
    return {name: partial(_OF_OBJECTIVE[name], objective) for name in SUPPLIED.get(section, ())}


def _model(experiment: Experiment, data: Data) -> Callable[[], nn.Module]:
    table = experiment.config["model"]
    shape = tuple(data.x.shape[1:])
    supplied: Supplied = {"shape": lambda: shape, "classes": lambda: len(data.classes)}
    device = experiment.config.get("device")

    def model() -> nn.Module:
        made = _make(experiment, "model", table, supplied)
        if device is None:
            return made
        with placed("device"):
            return on(_make(experiment, "device", device))(made)

    return model


def _local(experiment: Experiment, objective: Objective) -> Local:
    budgets: dict[int, Budget] = {}
    for entry in _entries(experiment, len(objective.data.clients)):
        budget = Budget(entry.get("epochs"), entry.get("batches"))
        if budget != Budget():
            budgets |= dict.fromkeys(entry["clients"], budget)
    table = experiment.config["local"]
    rule = _make(experiment, "local", table, _of_objective("local", objective))
    return replace(rule, budgets=budgets)


def _entries(experiment: Experiment, clients: int) -> Iterator[dict[str, Any]]:
    """Yield the tables of the fleet, whose clients are there."""
    for entry in experiment.config.get("fleet", ()):
        beyond = [client for client in entry["clients"] if client >= clients]
        if beyond:
            raise InputError(f"fleet.clients names {beyond}, but clients are 0 to {clients - 1}.")
        yield entry


def _fleet(experiment: Experiment, clients: int) -> dict[int, On]:
    fleet: dict[int, On] = {}
    for entry in _entries(experiment, clients):
        device = None
        if "device" in entry:
            device = _make(experiment, "device", entry["device"], where="fleet.device")
        equipment = on(device, entry.get("layers"), entry.get("qubits"))
        if equipment != on():
            fleet |= dict.fromkeys(entry["clients"], equipment)
    return fleet


def _own_code(experiment: Experiment) -> str:
    """Return a hash of what the user's own functions do.

    fedqml's are not in it: the id has their names and settings, and `environment.json` a digest
    of their code, of whose change a resumed run is warned.
    """
    return behaviour(*(find(use, (), "use") for use in uses(experiment.config) if ":" in use))
