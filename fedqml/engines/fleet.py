"""Clients with different hardware in one federation."""

from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates, concatenate
from fedqml.data.task import Objective
from fedqml.engines.cohort import Collect, Engine, Train
from fedqml.federated.training import Local


def by_hardware(engine: Engine) -> Engine:
    """Return the engine that trains the clients of each kind of hardware together.

    Args:
        engine: trains clients whose models differ in nothing.

    Returns:
        An engine; with hardware that is all the same it is the given one.
    """

    def on_each(objective: Objective, local: Local, transform: Transform) -> Train:
        kinds = dict.fromkeys((objective, *objective.equipped.values()))
        trains = {kind: engine(kind, local, transform) for kind in kinds}
        if len(trains) == 1:
            return trains[objective]

        def train(context: Context, clients: list[int], state: State, collect: Collect) -> State:
            groups: dict[Objective, list[int]] = {}
            for client in clients:
                groups.setdefault(objective.of(client), []).append(client)
            parts: list[Updates] = []
            for kind, own in groups.items():
                state = trains[kind](context, own, state, lambda part: parts.append(part.owned()))
            collect(concatenate(parts).sorted())
            return state

        return train

    return on_each
