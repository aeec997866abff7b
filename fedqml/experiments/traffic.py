"""How much of a round crosses the wire."""

from collections.abc import Mapping

from torch import Tensor

from fedqml.core.updates import State, Updates
from fedqml.data.task import Objective
from fedqml.federated.coding import BYTES


def bytes_down(objective: Objective, sent: State) -> int:
    """Return the bytes that a client is sent."""
    return objective.first.nbytes + sum(tensor.nbytes for tensor in sent.values())


def bytes_of(updates: Updates) -> list[int] | list[float]:
    """Return the bytes that each client sends: as it says itself, or those of all its numbers.

    Those of what it reports come on top.
    """
    rows = updates.delta
    whole = rows.shape[1] * rows.element_size()
    reported = sum(values[0].nbytes for values in updates.reports.values())
    said = updates.metrics.get(BYTES)
    own = [whole] * len(rows) if said is None else said.tolist()
    return [size + reported for size in own]


def measured(updates: Updates) -> Mapping[str, Tensor]:
    """Return the metrics without the bytes, which are not the rules' business."""
    return {name: values for name, values in updates.metrics.items() if name != BYTES}
