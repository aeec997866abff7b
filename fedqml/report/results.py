"""What a results folder holds, as frozen dataclasses; a report is a function of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COSTS = (
    "samples",
    "bytes_down",
    "bytes_up",
    "circuit_evaluations",
    "shots",
    "hardware_evaluations",
    "seconds",
)
METRIC = "test_"


@dataclass(frozen=True)
class Round:
    """One row of a history: what a round measured and what that round alone cost.

    Args:
        round: its number; 0 is the model before any training.
        clients: how many clients took part.
        refused: how many of their updates were refused.
        values: ``train_loss``, ``test_loss``, ``test_<metric>`` and the costs; NaN where nothing
            was measured.
    """

    round: int
    clients: int
    refused: int
    values: Mapping[str, int | float]


@dataclass(frozen=True)
class Client:
    """One client's share of the data: its number, its owner's name and its examples by class."""

    number: int
    owner: str | None
    examples: int
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Data:
    """What a run was trained and tested on."""

    fingerprint: str
    classes: tuple[str, ...]
    train: int
    test: int
    test_classes: tuple[int, ...]
    shape: tuple[int, ...]
    clients: tuple[Client, ...]


@dataclass(frozen=True)
class Summary:
    """What a finished run says of itself; ``hash`` is that of the final model."""

    rounds: int
    hash: str
    parameters: int
    quantum_parameters: int


@dataclass(frozen=True)
class Run:
    """One arm of an experiment with one seed; ``summary`` is None until it has finished."""

    id: str
    name: str
    title: str
    arm: str
    central: bool
    seed: int
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    data: Data | None
    rounds: tuple[Round, ...]
    circuit_text: str | None
    circuit_svg: bytes | None
    summary: Summary | None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the measured ``test_<metric>`` columns, accuracy first and the loss left out."""
        names = {name for row in self.rounds for name in row.values if name.startswith(METRIC)}
        return order_metrics(names - {"test_loss"})


@dataclass(frozen=True)
class Results:
    """Every run of a folder, and for every folder that could not be read the reason."""

    runs: tuple[Run, ...]
    unreadable: tuple[tuple[str, str], ...]


def order_metrics(names: set[str]) -> tuple[str, ...]:
    """Return metrics in the order in which a reader looks for them: accuracy, then the alphabet.

    Example:
        >>> order_metrics({"test_f1", "test_accuracy"})
        ('test_accuracy', 'test_f1')
    """
    return tuple(sorted(names, key=lambda name: (name != "test_accuracy", name)))
