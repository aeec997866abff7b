"""What every engine in one process does with a cohort; they differ in how rows are trained."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.batches import BatchPlan
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.data.task import Objective
from fedqml.federated.training import Local, Received

Collect = Callable[[Updates], None]
"""Takes the updates of some clients as soon as they are there; may keep their rows only as copies,
for an engine may use their memory again."""
Train = Callable[[Context, list[int], State, Collect], State]
"""Train clients of a round's cohort, all or some, given in rising order, from the clients' states;
hands on their updates in that order, and returns the clients' states. ``Context.cohort`` stays that
of the whole round, on which rules may depend."""
Engine = Callable[[Objective, Local, Transform], Train]
"""Make ``Train`` of the objective, the local rule and the client's side of the strategy."""
TrainRows = Callable[
    [Float[Tensor, "k n"], State, BatchPlan],
    tuple[Float[Tensor, "k n"], State, Float[Tensor, " k"]],
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
        train_rows = make(objective, local)

        def train(context: Context, clients: list[int], state: State, collect: Collect) -> State:
            after = dict(state)
            held = {client: objective.data.rows(client) for client in clients}
            for first in range(0, len(clients), at_once):
                # A function, so that nothing of these is left while the next are trained.
                after |= some(context, state, clients[first : first + at_once], held, collect)
            return after

        def some(
            context: Context,
            state: State,
            clients: list[int],
            held: Mapping[int, Tensor],
            collect: Collect,
        ) -> State:
            start = context.received(clients)
            own_rows = [held[client] for client in clients]
            plan = local.plans(clients, own_rows, context.rngs("batches", clients))
            steps = steps_of(plan).to(start)
            params, rows = began(local, objective, context, state, clients, start)
            params, rows, loss = train_rows(params, rows, plan)
            reports = reported(local, rows, len(clients))
            trained, after = ended(local, objective, context, clients, start, params, rows, steps)
            updates = Updates(
                torch.tensor(clients),
                trained - start,
                trained.new_tensor([len(own) for own in own_rows]),
                {"train_loss": loss, "steps": steps},
                reports=reports,
            )
            # The trust boundary: what the engine hands on has passed the client's side.
            here = replace(context, scope="client/")
            own = gather(state, clients, "client", transform.init, start)
            updates, own = transform.apply(updates, own, here)
            collect(updates)
            return after | scatter(own, clients, "client")

        return train

    return engine


def steps_of(plan: BatchPlan) -> Int[Tensor, "*clients"]:
    """Return how many steps each client takes: the batches that hold an example."""
    return plan.mask.any(-1).sum((-2, -1))


def began(
    local: Local,
    objective: Objective,
    context: Context,
    state: State,
    clients: list[int],
    start: Float[Tensor, "k d"],
) -> tuple[Float[Tensor, "k n"], State]:
    """Return the clients' weights and states at the start of the round, stacked."""
    if local.begin is None:
        return start, gather(state, clients, "local", local.init, start)
    kept = kept_by(state, clients)
    starts = [
        local.start(Received(row, context.sent, objective.packing), kept[client])
        for client, row in zip(clients, start, strict=True)
    ]
    names = starts[0][1]
    states = {name: torch.stack([own[name] for _, own in starts]) for name in names}
    return torch.stack([params for params, _ in starts]), states


def reported(local: Local, rows: State, k: int) -> State:
    """Return what the clients report, stacked."""
    if local.report is None:
        return {}
    own = [local.reports({name: values[i] for name, values in rows.items()}) for i in range(k)]
    return {name: torch.stack([each[name] for each in own]) for name in own[0]}


def ended(
    local: Local,
    objective: Objective,
    context: Context,
    clients: list[int],
    start: Float[Tensor, "k d"],
    params: Float[Tensor, "k n"],
    rows: State,
    steps: Float[Tensor, " k"],
) -> tuple[Float[Tensor, "k d"], State]:
    """Return what the clients answer with, and what they keep, as part of the state of all."""
    if local.end is None:
        return params, scatter(rows, clients, "local") if local.keep_state else {}
    answers, after = [], {}
    for i, client in enumerate(clients):
        received = Received(start[i], context.sent, objective.packing)
        own = {name: values[i] for name, values in rows.items()}
        answer, kept = local.finish(received, params[i], own, steps[i])
        answers.append(answer)
        for name, value in kept.items():
            after[f"{client}/local/{name}"] = value.clone()  # a view would keep the whole stack
    return torch.stack(answers), after


def kept_by(state: State, clients: list[int]) -> dict[int, State]:
    """Return what the local rule kept of each of the clients."""
    kept: dict[int, State] = {client: {} for client in clients}
    for key, value in state.items():
        client, part, name = key.split("/", 2)
        if part == "local" and int(client) in kept:
            kept[int(client)][name] = value
    return kept


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
    if not fresh[0]:  # most rules keep nothing
        return {}
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
