"""The updates of a round from the nodes: who is asked, awaited, asked again, given up."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.updates import Updates
from fedqml.engines.remote.job import Job, body_of, largest_reply, read_reply, shown
from fedqml.engines.remote.roster import Roster
from fedqml.engines.remote.transport import Answer, Transport

_SAVED = " The rounds done are saved; the same command goes on."
_PAUSE = 0.5  # seconds between looks at who is connected
_LONGEST_PAUSE = 30.0  # seconds before who has failed is sent everything again


@dataclass(frozen=True)
class Terms:
    """How long a round waits, and for whom.

    Attributes:
        least_clients: how many of the cohort must answer; all of it if None.
        deadline: seconds for a round before it goes on without those who have not answered.
        asks: how often a round is asked in which too few have answered.
    """

    least_clients: int | None
    deadline: float
    asks: int

    def least(self, cohort: int) -> int:
        """Return how many of a cohort must answer."""
        return cohort if self.least_clients is None else min(self.least_clients, cohort)


@dataclass
class Gathered:
    """What has come in for a round.

    Attributes:
        rows: the update of each client that answered, one row, unless it was taken already.
        done: the clients that answered.
        absent: why the others did not, as far as it is known.
        down: bytes sent.
        up: bytes received.
    """

    rows: dict[int, Updates] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    absent: dict[int, str] = field(default_factory=dict)
    down: int = 0
    up: int = 0


def gather(
    transport: Transport,
    roster: Roster,
    terms: Terms,
    cohort: Collection[int],
    weights: Float[Tensor, " d"],
    sent: Mapping[str, Tensor],
    reports: Mapping[str, Tensor],
    examples: Sequence[int],
    make: Callable[[list[int]], Job],
    came: Callable[[Gathered], None],
) -> Gathered:
    """Ask the nodes for the updates of a cohort's clients until the terms are met.

    A node that vanishes is asked again when it is back. Answers that come too late, or to what was
    not asked, are thrown away: a client's row is taken once.

    Args:
        transport: the way to the nodes.
        roster: who hosts whom.
        terms: of the round.
        cohort: the clients.
        weights: for each node.
        sent: what goes with them.
        reports: of the shapes and types of what each client reports.
        examples: how many each client has, which is the weight of its update.
        make: from clients of one node to their job.
        came: called whenever rows have come; it may take them out.

    Raises:
        InputError: if too few clients answered however often they were asked; says why.
    """
    got = Gathered()
    made: dict[tuple[str, tuple[int, ...]], Job] = {}
    body = body_of(weights, sent)
    for _ in range(terms.asks):
        refused: set[int] = set()
        pause = _PAUSE
        end = time.monotonic() + terms.deadline
        while (left := end - time.monotonic()) > 0:
            open_ = set(cohort) - got.done - refused
            if not open_:
                break
            groups = roster.groups(sorted(open_), left)
            got.absent |= {client: roster.missing(client) for client in open_}
            if terms.least_clients is None and (turned := roster.refusals(open_)):
                # To wait would not mend it, and no client can be done without.
                told = [f"The node {node}: {why}" for node, why in turned.items()]
                raise InputError(" ".join(told) + _SAVED)
            for clients in groups.values():
                got.absent |= dict.fromkeys(clients, f"No answer in {terms.deadline:g} s.")
            # What is asked again is the same job: a node that has done it has the answer.
            made |= {
                (node, tuple(clients)): make(clients)
                for node, clients in groups.items()
                if (node, tuple(clients)) not in made
            }
            jobs = {node: made[node, tuple(clients)] for node, clients in groups.items()}
            parcels = {node: job.parcel(body) for node, job in jobs.items()}
            got.down += sum(map(len, parcels.values()))
            limits = {
                node: largest_reply(len(job.clients), weights, reports)
                for node, job in jobs.items()
            }
            if not parcels:
                time.sleep(min(_PAUSE, left))
                continue
            for answer in transport.exchange(parcels, limits, end - time.monotonic()):
                refused |= _take(answer, jobs[answer.node], weights, reports, examples, got)
                del answer  # it may be large, and the next is on its way
                came(got)
            if open_ - got.done - refused:
                time.sleep(min(pause, max(0.0, end - time.monotonic())))
                pause = min(2 * pause, _LONGEST_PAUSE)
        if len(got.done) >= terms.least(len(cohort)):
            return got
    raise InputError(
        f"Only {len(got.done)} of the round's {len(cohort)} clients answered, and "
        f"{terms.least(len(cohort))} must. "
        + " ".join(f"Client {client}: {why}" for client, why in sorted(got.absent.items()))
        + _SAVED
    )


def _take(
    answer: Answer,
    job: Job,
    weights: Float[Tensor, " d"],
    reports: Mapping[str, Tensor],
    examples: Sequence[int],
    got: Gathered,
) -> set[int]:
    """Enter an answer; return the clients that were refused."""
    clients = set(job.clients)
    if answer.parcel is None:
        got.absent |= dict.fromkeys(clients, f"The node {answer.node}: {shown(answer.reason)}")
        return set()
    got.up += len(answer.parcel)
    try:
        reply = read_reply(answer.parcel, job, weights, reports)
        if reply.refusal:
            raise InputError(reply.refusal)
        updates = reply.updates
        assert updates is not None
        own = [examples[client] for client in job.clients]
        if not torch.equal(updates.weight, torch.tensor(own).to(updates.weight)):
            raise InputError(f"Its clients weigh {own}, as many as their examples.")
    except InputError as error:
        got.absent |= dict.fromkeys(clients, f"The node {answer.node}: {shown(str(error))}")
        return clients
    for i, client in enumerate(job.clients):
        got.rows[client] = replace(
            updates,
            clients=updates.clients[i : i + 1],
            delta=updates.delta[i : i + 1],
            weight=updates.weight[i : i + 1],
            metrics={name: values[i : i + 1] for name, values in updates.metrics.items()},
            reports={name: values[i : i + 1] for name, values in updates.reports.items()},
        )
        got.done.add(client)
        del got.absent[client]
    return set()
