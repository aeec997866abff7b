"""One run's settings, checked and whole, and what they are known by."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fedqml.core.errors import require


@dataclass(frozen=True)
class RunSettings:
    """The section ``[run]``.

    Attributes:
        rounds: rounds of training.
        clients_per_round: clients drawn each round.
        seeds: one run for each.
        checkpoint_every: rounds between checkpoints.
        dtype: of weights and data.
        threads: PyTorch's threads; more may change the order of sums, hence the last bits.
    """

    rounds: int
    clients_per_round: int
    seeds: list[int]
    checkpoint_every: int = 10
    dtype: Literal["float32", "float64"] = "float32"
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("rounds", "clients_per_round", "checkpoint_every", "threads"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "be at least 1")
        require(self.threads <= 256, "threads", self.threads, "be at most 256")
        distinct = len(set(self.seeds)) == len(self.seeds) > 0
        require(distinct and min(self.seeds) >= 0, "seeds", self.seeds, "be distinct and not < 0")


@dataclass(frozen=True)
class Experiment:
    """One run: one arm of an experiment with one seed.

    Attributes:
        name: of the experiment.
        title: for people.
        arm: what tells this arm from its neighbours.
        seed: the seed.
        config: every setting that the results depend on, defaults included.
        run: the section ``[run]``.
        base: the folder that relative paths start from.
        labels: what the file says for the report only; see ``fedqml.experiments.labels``.
    """

    name: str
    title: str
    arm: str
    seed: int
    config: Mapping[str, Any]
    run: RunSettings
    base: Path
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of ``config`` and ``seed`` in canonical JSON."""
        return identifier({**self.config, "seed": self.seed})


def identifier(value: Any) -> str:
    """Return the first 16 digits of the SHA-256 of a value's canonical JSON.

    Example:
        >>> identifier({"a": 1, "b": 2}) == identifier({"b": 2, "a": 1.0})
        True
    """
    return _digest(value)[:16]


def signature(config: Mapping[str, Any]) -> str:
    """Return what the owner of data accepts an experiment by: the SHA-256 of its settings.

    All of ``config`` but the engine, which only says where the clients are trained; the seed is
    not in it either. 64 hexadecimal digits.

    Raises:
        ValueError: for settings that cannot be written as JSON.

    Example:
        >>> signature({"local": {"epochs": 1}, "engine": {"use": "sequential"}})[:8]
        '974bafe7'
    """
    return _digest({key: value for key, value in config.items() if key != "engine"})


def uses(config: Any) -> Iterator[str]:
    """Return every function that a configuration names, however deep; also by a key ``a.b.use``."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key.rpartition(".")[2] == "use" and isinstance(value, str):
                yield value
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from uses(value)


def _digest(value: Any) -> str:
    canonical = _canonical(value)
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """Return the value with 1 for 1.0: deep inside tables nobody tells which of them is meant."""
    if isinstance(value, Mapping):
        return {key: _canonical(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
