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

_MOST_UPDATES = 10**6  # of a schedule, which is made in advance: 100 000 take some seconds
_LONGEST = 1e15  # seconds; sums of so few durations are finite


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
        InputError: for more than a million updates, a clock that makes fewer steps or some
            that cannot be, and whatever the clock refuses.
    """
    updates = rounds * work.cohort
    if updates > _MOST_UPDATES:
        raise InputError(
            f"A clock makes all steps before training, with at most {_MOST_UPDATES} updates, but "
            f"`rounds` times `clients_per_round` is {updates}."
        )
    turns = tuple(islice(clock(work), rounds))
    require(len(turns) == rounds, "rounds", rounds, f"be at most the clock's {len(turns)} steps")
    before = 0.0
    for number, turn in enumerate(turns, start=1):
        if fault := _fault(turn, number, before, work):
            raise InputError(f"In step {number} of the clock {fault}.")
        before = turn.time or 0.0
    last = {version: n for n, turn in enumerate(turns, start=1) for version in turn.versions}
    return Schedule(turns, last)


def _fault(turn: Turn, number: int, before: float, work: Work) -> str | None:
    """Return what is wrong with a step, as one of a user's own clock may be."""
    clients, versions, drawn = turn.clients, turn.versions, [*turn.clients, *turn.absent]
    if not clients or len(drawn) > work.cohort:
        return f"there must be from 1 to {work.cohort} clients, but they are {drawn}"
    known = _are_below(len(work.samples), drawn) and len({*drawn}) == len(drawn)
    if not known or list(clients) != sorted(clients):
        there = len(work.samples) - 1
        return f"clients must be different, from 0 to {there} and rising, but they are {drawn}"
    if len(versions) != len(clients) or not _are_below(number, versions):
        allowed = f"be one a client, from 0 to {number - 1}"
        return f"`versions` must {allowed}, but they are {list(versions)}"
    if not (isinstance(turn.time, int | float) and before <= turn.time < math.inf):
        return f"`time` must be finite and at least {before:g}, but it is {turn.time!r}"
    return None


def _are_below(bound: int, values: Sequence[object]) -> bool:
    # NumPy's numbers could not be written to the history.
    return all(type(value) is int and 0 <= value < bound for value in values)


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
            InputError: if a distribution fails or gives no duration, or one is longer than 1e15 s.
        """
        paces = _drawn("pace", self.pace, uniform(len(work.samples), stream(work.seed, "pace")))
        seconds = _durations("pace", paces * np.array(work.samples))
        for name, size in (("download", work.bytes_down), ("upload", work.bytes_up)):
            if rate := getattr(self, name):
                seconds += _durations(name, np.array(size / rate))

        def needed(round: int, clients: Sequence[int]) -> list[float]:
            whole = seconds[list(clients)]
            if self.latency is not None:
                draws = [uniform(2, s) for s in streams(work.seed, "latency", round, last=clients)]
                both = _drawn("latency", self.latency, np.reshape(draws, (-1, 2)))
                whole = whole + both.sum(1)
            return whole.tolist()

        return needed


def _drawn(
    name: str, spread: Quantile, p: Float64[np.ndarray, "*shape"]
) -> Float64[np.ndarray, "*shape"]:
    whose = f"the distribution `{getattr(spread, '__qualname__', spread)}`"
    allowed = f"Argument `{name}` must give a number for each of an array of probabilities, but"
    try:
        values = np.asarray(spread(p))
    except InputError:
        raise
    except Exception as error:  # the user's code: anything can come
        raise InputError(f"{allowed} {whose} fails with {type(error).__name__}: {error}") from error
    if values.dtype.kind not in "iuf" or values.shape != p.shape:
        found = f"an array of type {values.dtype} and shape {values.shape} for shape {p.shape}"
        raise InputError(f"{allowed} {whose} gives {found}.")
    return _durations(name, values.astype(np.float64), whose)


def _durations(
    name: str, values: Float64[np.ndarray, "*shape"], whose: str = "it"
) -> Float64[np.ndarray, "*shape"]:
    wrong = values[~((values >= 0) & (values <= _LONGEST))]
    if wrong.size:
        raise InputError(
            f"Argument `{name}` must give seconds from 0 to {_LONGEST:g}, also for all that a "
            f"client does in a round, but {whose} gives {wrong[0]:g}."
        )
    return values
