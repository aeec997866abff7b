"""Virtual time: it passes by clients' hardware and links, whatever they learn.

So all of a run's arrivals are known before anything is trained.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated

import numpy as np
from jaxtyping import Float64

from fedqml.core.errors import InputError, require
from fedqml.core.random import stream, streams, uniform
from fedqml.core.resolve import Plugin

Quantile = Callable[[Float64[np.ndarray, "*shape"]], Float64[np.ndarray, "*shape"]]
"""From probabilities in (0, 1) to the values that are exceeded with the rest of it."""
Distribution = Annotated[Quantile, Plugin("fedqml.federated.distributions")]
"""How a duration is spread, as its quantile function: uniform numbers become draws of it."""
Durations = Callable[[int, Sequence[int]], list[float]]
"""``(round, clients)`` to the seconds from their beginning in a round to their arrival."""


@dataclass(frozen=True)
class Work:
    """What of a run its time depends on, beside the clock.

    Attributes:
        samples: how many examples each client trains on when it takes part.
        bytes_down: what a client is sent.
        bytes_up: what it answers.
        cohort: how many clients a step of the server takes.
        seed: the run's seed.
    """

    samples: tuple[int, ...]
    bytes_down: float
    bytes_up: float
    cohort: int
    seed: int


@dataclass(frozen=True)
class Turn:
    """A step of the server.

    Attributes:
        clients: whose updates it takes, in rising order.
        versions: after which round the weights were made that each began with.
        time: virtual seconds since the run began; None without a clock.
        absent: who was drawn for it and is left out, and why.
    """

    clients: tuple[int, ...]
    versions: tuple[int, ...]
    time: float | None = None
    absent: Mapping[int, str] = field(default_factory=dict)


Clock = Callable[[Work], Iterator[Turn]]
"""From the work to the server's steps, one after the other without end."""


@dataclass(frozen=True)
class Schedule:
    """A run's steps.

    Attributes:
        turns: the server's steps.
        last: by version of the weights, the last step that takes an update begun with it.
    """

    turns: tuple[Turn, ...]
    last: Mapping[int, int]

    @property
    def stale(self) -> bool:
        """Whether any update is begun with weights that are not the newest at its step."""
        return any(min(turn.versions) < number for number, turn in enumerate(self.turns))


def schedule(clock: Clock, work: Work, rounds: int) -> Schedule:
    """Return a run's first steps.

    Args:
        clock: makes them.
        work: of the run.
        rounds: how many.

    Raises:
        InputError: whatever the clock refuses.
    """
    turns = tuple(islice(clock(work), rounds))
    last = {version: n for n, turn in enumerate(turns, start=1) for version in turn.versions}
    return Schedule(turns, last)


@dataclass(frozen=True)
class Timing:
    """How long clients take: ``latency + down / D + samples pace + latency + up / U`` seconds.

    Attributes:
        pace: seconds an example, drawn once for each client.
        latency: seconds that a message takes whatever its size, drawn for each; none if left out.
        download: D, bytes a second; no time passes if left out.
        upload: U, likewise.

    Raises:
        InputError: for a bandwidth that is not positive.
    """

    pace: Quantile
    latency: Quantile | None = None
    download: float | None = None
    upload: float | None = None

    def __post_init__(self) -> None:
        for name in ("download", "upload"):
            given = getattr(self, name)
            positive = given is None or 0 < given < math.inf
            require(positive, name, given, "be positive and finite")

    def durations(self, work: Work) -> Durations:
        """Return how long the clients of a run take.

        Raises:
            InputError: if a distribution gives no duration.
        """
        paces = self.pace(uniform(len(work.samples), stream(work.seed, "pace")))
        seconds = _durations("pace", paces) * np.array(work.samples)
        for size, rate in ((work.bytes_down, self.download), (work.bytes_up, self.upload)):
            seconds += size / rate if rate else 0.0

        def needed(round: int, clients: Sequence[int]) -> list[float]:
            whole = seconds[list(clients)]
            if self.latency:
                draws = [uniform(2, s) for s in streams(work.seed, "latency", round, last=clients)]
                both = self.latency(np.reshape(draws, (-1, 2)))
                whole = whole + _durations("latency", both).sum(1)
            return whole.tolist()

        return needed


def _durations(name: str, values: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    if not bool((np.isfinite(values) & (values >= 0)).all()):
        raise InputError(f"Argument `{name}` must give finite numbers of seconds, none negative.")
    return values
