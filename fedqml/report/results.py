"""What a results folder holds, as frozen dataclasses; a report is a function of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

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
TIME = "time"
"""Virtual seconds since the run began, of runs on a virtual clock."""
STALENESS = "staleness"
"""How many steps old the updates of a round were, in the mean; likewise."""
MARGIN = 2.0
"""How many points of test accuracy a federated arm may lie from central, if nobody says else."""


@dataclass(frozen=True)
class Round:
    """One row of a history: what a round measured and what that round alone cost.

    Args:
        round: its number; 0 is the model before any training.
        clients: how many clients took part.
        refused: how many of their updates were refused.
        values: ``train_loss``, ``test_loss``, ``test_<metric>`` and the costs, on a virtual clock
            also ``time`` and ``staleness``; NaN where nothing was measured.
    """

    round: int
    clients: int
    refused: int
    values: Mapping[str, int | float]


@dataclass(frozen=True)
class Client:
    """One client's share of the data: its number, its owner's name and its examples by class.

    ``noise`` is the standard deviation of what was added to its features.
    """

    number: int
    owner: str | None
    examples: int
    classes: tuple[int, ...]
    noise: float = 0.0


@dataclass(frozen=True)
class Data:
    """What a run was trained and tested on; ``about`` is what the source says of itself."""

    fingerprint: str
    classes: tuple[str, ...]
    train: int
    test: int
    test_classes: tuple[int, ...]
    shape: tuple[int, ...]
    clients: tuple[Client, ...]
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a final model said of each test row, in the order of the rows.

    Args:
        names: of the rows; None where the data have none.
        labels: the index of each row's class.
        predicted: the index of the class that the model chose.
        probability: the probability that it gave to that class; NaN where it is no number.
    """

    names: tuple[str, ...] | None
    labels: Int[np.ndarray, " tests"]
    predicted: Int[np.ndarray, " tests"]
    probability: Float[np.ndarray, " tests"]


@dataclass(frozen=True)
class Published:
    """What others published of an experiment: a source, and values by an arm's label.

    Args:
        source: where.
        test_examples: how many test examples are behind the accuracies, where that is known.
        arms: history's columns after the last round, ``round`` itself, ``samples_a_round``, and
            costs summed over all rounds.
    """

    source: str
    test_examples: int | None
    arms: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Labels:
    """What an experiment file says for the report only.

    Args:
        published: values of others.
        baseline: the label of the arm that all others are compared with.
        margin: how many points of test accuracy count as near central training.
        since: when the labels became what they are; empty for older runs.
    """

    published: Published | None = None
    baseline: str | None = None
    margin: float = MARGIN
    since: str = ""


@dataclass(frozen=True)
class Summary:
    """What a finished run says of itself.

    Args:
        rounds: how many it trained.
        hash: of the final model.
        parameters: trained weights, those in circuits included.
        quantum_parameters: trained weights in circuits.
        predicts: the SHA-256 of the predictions; None for a model without classes, empty for a
            run made before predictions were saved.
    """

    rounds: int
    hash: str
    parameters: int
    quantum_parameters: int
    predicts: str | None = ""


@dataclass(frozen=True)
class Run:
    """One arm of an experiment with one seed; ``summary`` is None until it has finished.

    A finished run without ``predictions`` has in ``unpredicted`` the reason, unless its model
    names no classes at all.
    """

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
    labels: Labels = Labels()
    predictions: Predictions | None = None
    unpredicted: str = ""

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
