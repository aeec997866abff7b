"""The engine whose clients train on other machines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from fedqml.core.errors import InputError
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, concatenate
from fedqml.data.task import Objective
from fedqml.engines.cohort import Collect, Engine, Train
from fedqml.engines.fleet import by_hardware
from fedqml.engines.remote.gather import Gathered, Terms, gather
from fedqml.engines.remote.job import Job
from fedqml.engines.remote.roster import Roster
from fedqml.engines.remote.transport import Transport
from fedqml.federated.training import Local, Received


@dataclass(frozen=True)
class Assignment:
    """What nodes must know to train for a run.

    Attributes:
        experiment: the settings with the nodes' engine, the seed, and hashes of the user's own
            code and of what all must know of the data.
        software: the server's version of fedqml.
        checkpoint_every: rounds between the server's checkpoints.
    """

    experiment: Mapping[str, Any]
    software: str
    checkpoint_every: int


@dataclass(frozen=True, eq=False)
class Remote:
    """The engine that asks nodes for the updates; see ``Engine``.

    What clients remember stays on their nodes. The server keeps the round of each one's state, so
    that a round that is asked anew starts from the same.

    Attributes:
        transport: the way to the nodes.
        assignment: what nodes must know.
        on_nodes: the engine that trains there.
        portion: how many updates that engine hands on at once: sums depend on it.
        terms: how long a round waits, and for whom.
    """

    transport: Transport
    assignment: Assignment
    on_nodes: Engine
    portion: int
    terms: Terms

    def __call__(self, objective: Objective, local: Local, transform: Transform) -> Train:
        """Return what trains a cohort; what the nodes' engine refuses is refused here."""
        if len(objective.data.data.y):  # else there is nothing here to try it on
            by_hardware(self.on_nodes)(objective, local, transform)
        assigned = self.assignment
        if local.personal:
            raise InputError(
                "The engine `flower` cannot train personal models: they stay on their nodes, where "
                "nobody measures them yet."
            )
        stateful = bool(transform.init(objective.first))
        roster = Roster(self.transport, assigned.software, objective.data.names)

        def train(context: Context, clients: list[int], state: State, collect: Collect) -> State:
            def job(hosted: list[int]) -> Job:
                states = {client: int(state.get(f"{client}/round", 0)) for client in hosted}
                return Job(
                    "train",
                    assigned.software,
                    experiment=assigned.experiment,
                    round=context.round,
                    cohort=len(context.cohort),
                    saved=_saved(context.round, assigned.checkpoint_every),
                    clients=states,
                )

            weights, sent = context.params[0], context.sent
            received = Received(weights, sent, objective.packing)
            reports = local.reported(received)
            # Clients of unequal hardware are handed on together.
            portion = len(clients) if objective.equipped else self.portion
            waiting = list(clients)

            def hand_on(got: Gathered) -> None:
                """Hand on the first portions that are whole, so that few rows have to be held."""
                notes: dict[str, Any] = {"wire_down": got.down, "wire_up": got.up}
                if got.absent and self.terms.least_clients is not None:
                    notes["absent"] = {str(c): why for c, why in sorted(got.absent.items())}
                while waiting and got.rows.keys() >= {*waiting[:portion]}:
                    part = concatenate([got.rows.pop(client) for client in waiting[:portion]])
                    del waiting[:portion]
                    collect(replace(part, notes=notes))

            def came(got: Gathered) -> None:
                if self.terms.least_clients is None:  # else nobody knows yet who will be missing
                    hand_on(got)

            examples = [len(rows) for rows in objective.data.clients]
            got = gather(
                *(self.transport, roster, self.terms, clients, weights),
                *(sent, reports, examples, job, came),
            )
            waiting = [client for client in waiting if client in got.rows]
            hand_on(got)
            if not stateful and not local.keeps(received):
                return state
            return {**state, **{f"{c}/round": torch.tensor(context.round) for c in got.done}}

        return train


def _saved(round: int, every: int) -> int:
    """Return the older of the two checkpoints that the server has kept when a round begins."""
    return max(0, ((round - 1) // every - 1) * every)
