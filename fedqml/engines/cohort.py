"""What every engine in one process does with a cohort; they differ in how rows are trained."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.batches import BatchPlan, batch_plans
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.data.task import Objective
from fedqml.federated.training import Local

Collect = Callable[[Updates], None]
"""Takes the updates of some clients as soon as they are there; may keep their rows only as copies,
for an engine may use their memory again."""
Train = Callable[[Context, State, Collect], State]
"""Train a round's cohort from the clients' states; hands on their updates in rising order of
client, and returns the clients' states."""
Engine = Callable[[Objective, Local, Transform], Train]
"""Make ``Train`` of the objective, the local rule and the client's side of the strategy."""
TrainRows = Callable[
    [Float[Tensor, "k d"], State, BatchPlan],
    tuple[Float[Tensor, "k d"], State, Float[Tensor, " k"]],
]
"""Train k clients from their weights, stacked states and plans; returns weights, states, losses."""
MakeTrainRows = Callable[[Objective, Local], TrainRows]
"""Make ``TrainRows`` of the objective and the local rule."""


def cohort_engine(make: MakeTrainRows, at_once: int) -> Engine:
    """Make an engine of a way to train a few clients at once.

    Args:
        make: of what trains k clients.
        at_once: the largest k that it is given; larger cohorts come in chunks, so memory for
            training is bounded whatever the cohort.
    """

    def engine(objective: Objective, local: Local, transform: Transform) -> Train:
        kept = ["local", "client"] if local.keep_state else ["client"]
        train_rows = make(objective, local)

        def train(context: Context, state: State, collect: Collect) -> State:
            after = dict(state)
            cohort = context.cohort.tolist()
            held = {client: objective.data.rows(client) for client in cohort}
            for first in range(0, len(cohort), at_once):
                # A function, so that nothing of these is left while the next are trained.
                after |= some(context, state, cohort[first : first + at_once], held, collect)
            return after

        def some(
            context: Context,
            state: State,
            clients: list[int],
            held: Mapping[int, Tensor],
            collect: Collect,
        ) -> State:
            start = received(context, clients)
            rows = {
                part: gather(state, clients, part, init, start)
                for part, init in (("local", local.init), ("client", transform.init))
            }
            plan = batch_plans(
                [held[client] for client in clients],
                local.batch_size,
                local.epochs,
                context.rngs("batches", clients),
            )
            trained, rows["local"], loss = train_rows(start, rows.pop("local"), plan)
            updates = Updates(
                torch.tensor(clients),
                trained - start,
                torch.tensor([len(held[client]) for client in clients]).to(trained),
                {"train_loss": loss},
            )
            # The trust boundary: what the engine hands on has passed the client's side.
            here = replace(context, scope="client/")
            updates, rows["client"] = transform.apply(updates, rows["client"], here)
            collect(updates)
            after: State = {}
            for part in kept:
                after |= scatter(rows[part], clients, part)
            return after

        return train

    return engine


def received(context: Context, clients: list[int]) -> Float[Tensor, "k d"]:
    """Return the weights with which the clients begin, a row each; equal rows may share memory."""
    if len(context.params) == 1:
        return context.params.expand(len(clients), -1)
    return context.params[clients]


def gather(
    state: State,
    clients: list[int],
    part: str,
    init: Callable[[Tensor], State],
    received: Float[Tensor, "k d"],
) -> State:
    """Stack the clients' states; one that has none has the fresh one of what it received."""
    if received.stride(0) == 0:  # all received the same, and `init` is a function of it
        fresh = [init(received[0])] * len(clients)
    else:
        fresh = [init(row) for row in received]
    own = [
        {name: state.get(f"{client}/{part}/{name}", value) for name, value in first.items()}
        for client, first in zip(clients, fresh, strict=True)
    ]
    return {name: torch.stack([rows[name] for rows in own]) for name in own[0]}


def scatter(rows: State, clients: list[int], part: str) -> State:
    """Return stacked states as entries of the state of all clients, in memory of their own."""
    return {
        f"{client}/{part}/{name}": values[i].clone()  # a view would keep the whole stack
        for name, values in rows.items()
        for i, client in enumerate(clients)
    }
