"""A server that steps whenever enough clients have answered."""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice

from fedqml.core.errors import require, whole
from fedqml.core.random import shuffled, stream
from fedqml.federated.clock import Clock, Distribution, Timing, Turn, Work


def asynchronous(
    concurrency: int,
    pace: Distribution,
    latency: Distribution | None = None,
    download: float | None = None,
    upload: float | None = None,
) -> Clock:
    """Return the clock of a federation in which nobody waits for the slowest.

    Clients train side by side, each from the weights that were newest when it began. The server
    steps as soon as ``clients_per_round`` updates have arrived: the buffer of FedBuff; with 1 it is
    FedAsync. Whoever has arrived waits for that step, and others begin in its place at once, drawn
    uniformly among the idle; of what happens at the same instant, arrivals come first. The
    staleness of an update is how many steps the server has made since its client began.

    A client is busy for ``latency + down / D + samples pace + latency + up / U`` seconds, with the
    examples that it trains on and the bytes of the model as they are counted in the history; those
    of an update whose size depends on its values are those of a made-up one.

    Args:
        concurrency: how many clients train at once; fewer while too few are idle.
        pace: seconds an example, drawn once for each client.
        latency: seconds that a message takes whatever its size, drawn for each; none if left out.
        download: D, bytes a second; no time passes if left out.
        upload: U, likewise.

    Raises:
        InputError: if a value is out of range, or there are fewer clients than shall train at once.

    Example:
        >>> from fedqml.federated.distributions import uniform
        >>> work = Work(samples=(1, 3), bytes_down=0.0, bytes_up=0.0, cohort=1, seed=0)
        >>> turns = asynchronous(concurrency=2, pace=uniform(1.0, 1.0))(work)
        >>> [(turn.clients, turn.versions, turn.time) for turn in islice(turns, 4)]
        [((0,), (0,), 1.0), ((0,), (1,), 2.0), ((0,), (2,), 3.0), ((1,), (0,), 3.0)]

    Source: Nguyen et al., arXiv:2106.06639, algorithm 1 (FedBuff); Xie et al., arXiv:1903.03934,
    algorithm 1 (FedAsync).
    """
    whole("concurrency", concurrency, least=1)
    timing = Timing(pace, latency, download, upload)

    def turns(work: Work) -> Iterator[Turn]:
        clients = len(work.samples)
        allowed = f"be at most the number of clients, {clients}"
        require(concurrency <= clients, "concurrency", concurrency, allowed)
        durations = timing.durations(work)
        training: list[tuple[float, int, int]] = []  # a heap of (arrival, client, version)
        arrived: list[tuple[int, int]] = []  # (client, version)
        busy: set[int] = set()
        time, version = 0.0, 0

        def idle() -> Iterator[int]:
            """Yield in random order, the one in which rounds are drawn, who has nothing to do."""
            for client in shuffled(clients, stream(work.seed, "cohort", version + 1)):
                if client not in busy:
                    yield int(client)

        order = idle()
        while True:
            drawn = list(islice(order, concurrency - len(training)))
            busy.update(drawn)
            for client, seconds in zip(drawn, durations(version + 1, drawn), strict=True):
                heappush(training, (time + seconds, client, version))
            time = training[0][0]
            while training and training[0][0] == time:
                _, client, begun = heappop(training)
                arrived.append((client, begun))
                if len(arrived) == work.cohort:
                    arrived.sort()
                    yield Turn(tuple(c for c, _ in arrived), tuple(v for _, v in arrived), time)
                    busy.difference_update(client for client, _ in arrived)
                    arrived.clear()
                    version += 1
                    order = idle()

    return turns
