"""What every engine in one process does with a cohort; they differ in how rows are trained."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.batches import BatchPlan, batch_plans
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates, concatenate
from fedqml.data.task import Objective
from fedqml.federated.training import Local

Train = Callable[[Context, State], tuple[Updates, State]]
"""Train a round's cohort: context and clients' states to updates and clients' states."""
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

        def train(context: Context, state: State) -> tuple[Updates, State]:
            parts = []
            after = dict(state)
            cohort = context.cohort.tolist()
            for start in range(0, len(cohort), at_once):
                clients = cohort[start : start + at_once]
                received = _received(context, clients)
                rows = {
                    part: _gather(state, clients, part, init, received)
                    for part, init in (("local", local.init), ("client", transform.init))
                }
                plan = batch_plans(
                    [objective.data.clients[client] for client in clients],
                    local.batch_size,
                    local.epochs,
                    context.rngs("batches", clients),
                )
                trained, rows["local"], loss = train_rows(received, rows["local"], plan)
                updates = Updates(
                    torch.tensor(clients),
                    trained - received,
                    torch.tensor([len(objective.data.clients[c]) for c in clients]).to(trained),
                    {"train_loss": loss},
                )
                # The trust boundary: what the engine hands on has passed the client's side.
                here = replace(context, scope="client/")
                updates, rows["client"] = transform.apply(updates, rows["client"], here)
                parts.append(updates)
                for part in kept:
                    after |= _scatter(rows[part], clients, part)
            return concatenate(parts), after

        return train

    return engine


def _received(context: Context, clients: list[int]) -> Float[Tensor, "k d"]:
    if len(context.params) == 1:
        return context.params.expand(len(clients), -1)
    return context.params[clients]


def _gather(
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


def _scatter(rows: State, clients: list[int], part: str) -> State:
    return {
        f"{client}/{part}/{name}": values[i].clone()  # a view would keep the whole stack
        for name, values in rows.items()
        for i, client in enumerate(clients)
    }
