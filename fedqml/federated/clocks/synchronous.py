"""A server that waits for the slowest client of each round."""

from collections.abc import Iterator
from itertools import count

from fedqml.core.errors import InputError, require
from fedqml.federated.clock import Clock, Distribution, Timing, Turn, Work
from fedqml.federated.sampling import sample


def synchronous(
    pace: Distribution,
    latency: Distribution | None = None,
    download: float | None = None,
    upload: float | None = None,
    deadline: float | None = None,
) -> Clock:
    """Return the clock of rounds that last as long as their slowest client, or to a deadline.

    A client takes ``latency + down / D + samples pace + latency + up / U`` seconds, as by the clock
    ``asynchronous``. Who is later than the deadline is left out of the round, as if it had not
    trained, and stands in the history under ``absent``.

    Args:
        pace: seconds an example, drawn once for each client.
        latency: seconds that a message takes whatever its size, drawn for each; none if left out.
        download: D, bytes a second; no time passes if left out.
        upload: U, likewise.
        deadline: seconds after the beginning of a round; none if left out.

    Raises:
        InputError: if a value is out of range, or there is a round in which nobody is in time.

    Example:
        >>> from itertools import islice
        >>> from fedqml.federated.distributions import uniform
        >>> work = Work(samples=(1, 3), bytes_down=0.0, bytes_up=0.0, cohort=2, seed=0)
        >>> turns = synchronous(pace=uniform(1.0, 1.0), deadline=2.0)(work)
        >>> [(turn.clients, turn.time, turn.absent) for turn in islice(turns, 2)]
        [((0,), 2.0, {1: 'late: it takes 3 s'}), ((0,), 4.0, {1: 'late: it takes 3 s'})]

    Source: McMahan et al., arXiv:1602.05629, algorithm 1; Bonawitz et al., arXiv:1902.01046,
    section 2 (the time out of a round).
    """
    timing = Timing(pace, latency, download, upload)
    allowed = "be positive"
    require(deadline is None or deadline > 0, "deadline", deadline, allowed)

    def turns(work: Work) -> Iterator[Turn]:
        durations = timing.durations(work)
        time = 0.0
        for number in count(1):
            cohort = sample(len(work.samples), work.cohort, work.seed, number).tolist()
            seconds = dict(zip(cohort, durations(number, cohort), strict=True))
            slowest = max(seconds.values())
            ends = slowest if deadline is None else min(slowest, deadline)
            present = tuple(client for client in cohort if seconds[client] <= ends)
            if not present:
                raise InputError(
                    f"In round {number} nobody would be in time: the deadline is after {deadline:g}"
                    f" s, but the quickest of its clients takes {min(seconds.values()):.3g} s."
                )
            time += ends
            late = {c: f"late: it takes {s:.3g} s" for c, s in seconds.items() if s > ends}
            yield Turn(present, (number - 1,) * len(present), time, late)

    return turns
