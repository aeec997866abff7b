"""From a checked experiment to the objects that run it."""

import inspect
import json
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fedqml.core.resolve import call, find, placed
from fedqml.core.transform import Strategy, Transform, chain
from fedqml.data.dataset import Data
from fedqml.data.losses import cross_entropy
from fedqml.data.task import Task
from fedqml.experiments.config import PLUGINS, SUPPLIED, Experiment
from fedqml.experiments.rounds import Federation, federation

Build = Callable[[Experiment], Federation]


def builder() -> Build:
    """Return a function that builds experiments, reading each data source only once.

    The function raises InputError for whatever cannot be used: a missing file, data with NaN,
    fewer rows than clients, a model that does not fit.
    """
    sources: dict[str, Data] = {}

    def build(experiment: Experiment) -> Federation:
        config = experiment.config
        from_run = _supplied("data", config["data"], seed=experiment.seed)
        key = json.dumps([str(experiment.base.resolve()), config["data"], from_run])
        if key not in sources:
            sources[key] = _make(experiment, "data", config["data"], **from_run)
        data = sources[key]
        partition = _make(experiment, "partition", config["partition"])
        with placed("partition"):
            shares = data.split(partition, experiment.seed)
        task = Task(
            _model(experiment, data),
            cross_entropy,
            shares,
            dtype=getattr(torch, experiment.run.dtype),
        )
        return federation(
            task,
            _make(experiment, "local", config["local"]),
            Strategy(_side(experiment, "server"), _side(experiment, "client")),
            _make(experiment, "engine", config["engine"]),
            experiment.run.rounds,
            experiment.run.clients_per_round,
            experiment.seed,
        )

    return build


def _make(experiment: Experiment, section: str, table: dict[str, Any], **supplied: Any) -> Any:
    factory = find(table["use"], PLUGINS[section], section)
    values = {name: value for name, value in table.items() if name != "use"}
    return call(factory, {**values, **supplied}, section, experiment.base)


def _side(experiment: Experiment, side: str) -> Transform:
    section = f"strategy.{side}"
    entries = experiment.config["strategy"][side]
    return chain(*(_make(experiment, section, entry) for entry in entries))


def _model(experiment: Experiment, data: Data) -> Callable[[], nn.Module]:
    table = experiment.config["model"]
    shape = tuple(data.x.shape[1:])
    from_data = _supplied("model", table, shape=shape, classes=len(data.classes))
    return lambda: _make(experiment, "model", table, **from_data)


def _supplied(section: str, table: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return those of the values that the section's factory takes; a user's own may do without."""
    parameters = inspect.signature(find(table["use"], PLUGINS[section], section)).parameters
    return {name: values[name] for name in SUPPLIED[section] if name in parameters}
