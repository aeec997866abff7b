"""Federated training of quantum and hybrid quantum-classical models.

``import fedqml as fq`` gives the names below; each is imported when it is first used, so that
the report and the command line need not wait for PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace as replace

    from fedqml import engines as engines
    from fedqml.core.errors import InputError as InputError
    from fedqml.core.transform import Strategy as Strategy
    from fedqml.core.transform import Transform as Transform
    from fedqml.core.transform import chain as chain
    from fedqml.core.transform import stateless as stateless
    from fedqml.core.updates import Context as Context
    from fedqml.core.updates import Updates as Updates
    from fedqml.data import partitions as partitions
    from fedqml.data import sources as sources
    from fedqml.data.dataset import Data as Data
    from fedqml.data.losses import accuracy as accuracy
    from fedqml.data.losses import cross_entropy as cross_entropy
    from fedqml.data.task import Task as Task
    from fedqml.experiments.calibration import calibration as calibration
    from fedqml.experiments.fubini_study import fubini_study as fubini_study
    from fedqml.experiments.python import History as History
    from fedqml.experiments.python import run as run
    from fedqml.federated import aggregators as aggregators
    from fedqml.federated import clocks as clocks
    from fedqml.federated import decays as decays
    from fedqml.federated import distributions as distributions
    from fedqml.federated import local as local
    from fedqml.federated.aggregators.fednova import fednova as fednova
    from fedqml.federated.aggregators.mean import mean as mean
    from fedqml.federated.aggregators.scaffold import scaffold as scaffold
    from fedqml.federated.budget import Budget as Budget
    from fedqml.federated.transforms.clip import clip as clip
    from fedqml.quantum import ansatze as ansatze
    from fedqml.quantum import devices as devices
    from fedqml.quantum import encodings as encodings
    from fedqml.quantum import exchange as exchange
    from fedqml.quantum.circuit import Circuit as Circuit
    from fedqml.quantum.equipment import on as on
    from fedqml.quantum.layer import QuantumLayer as QuantumLayer
    from fedqml.quantum.weight_angles import angles as angles

_HOMES = {
    "fedqml.core.errors": ("InputError",),
    "fedqml.core.transform": ("Strategy", "Transform", "chain", "stateless"),
    "fedqml.core.updates": ("Context", "Updates"),
    "fedqml.data.dataset": ("Data",),
    "fedqml.data.losses": ("accuracy", "cross_entropy"),
    "fedqml.data.task": ("Task",),
    "fedqml.experiments.calibration": ("calibration",),
    "fedqml.experiments.fubini_study": ("fubini_study",),
    "fedqml.experiments.python": ("History", "run"),
    "fedqml.federated.aggregators.fednova": ("fednova",),
    "fedqml.federated.aggregators.mean": ("mean",),
    "fedqml.federated.aggregators.scaffold": ("scaffold",),
    "fedqml.federated.budget": ("Budget",),
    "fedqml.federated.transforms.clip": ("clip",),
    "fedqml.quantum.circuit": ("Circuit",),
    "fedqml.quantum.equipment": ("on",),
    "fedqml.quantum.layer": ("QuantumLayer",),
    "fedqml.quantum.weight_angles": ("angles",),
    "dataclasses": ("replace",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_PACKAGES = {
    "aggregators": "fedqml.federated.aggregators",
    "ansatze": "fedqml.quantum.ansatze",
    "clocks": "fedqml.federated.clocks",
    "decays": "fedqml.federated.decays",
    "devices": "fedqml.quantum.devices",
    "distributions": "fedqml.federated.distributions",
    "encodings": "fedqml.quantum.encodings",
    "exchange": "fedqml.quantum.exchange",
    "engines": "fedqml.engines",
    "local": "fedqml.federated.local",
    "partitions": "fedqml.data.partitions",
    "sources": "fedqml.data.sources",
}

__all__ = sorted([*_HOME, *_PACKAGES])


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return import_module(_PACKAGES[name])
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'fedqml' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
