"""Clients on other machines, reached over Flower."""

from typing import Annotated

from fedqml.core.errors import InputError, require, whole
from fedqml.core.resolve import Plugin
from fedqml.engines.cohort import Engine
from fedqml.engines.remote.engine import Assignment, Remote
from fedqml.engines.remote.gather import Terms
from fedqml.engines.remote.transport import Transport
from fedqml.engines.vectorised import vectorised


def flower(
    transport: Transport | None,
    assignment: Assignment,
    on_nodes: Annotated[Engine, Plugin("fedqml.engines")] = vectorised,  # type: ignore[assignment]
    least_clients: int | None = None,
    deadline: float = 600.0,
    asks: int = 3,
) -> Engine:
    """Return the engine that sends a round's weights to nodes, and receives their clients' updates.

    With all clients present it gives the bits that ``on_nodes`` gives on one machine, if all
    machines have the same kind of processor and the same PyTorch. With ``vectorised`` and clients
    that have fewer examples than a batch, it gives them up to rounding: there the length of a batch
    is that of the longest trained beside it.

    Args:
        transport: the way to the nodes: ``fedqml run --federation FOLDER`` supplies it.
        assignment: what nodes must know of the run; the experiment supplies it.
        on_nodes: the engine that trains on the nodes.
        least_clients: how many of a round's clients must answer; all of them if left out.
        deadline: seconds for a round. Then it goes on without those who have not answered, if the
            others are enough; what they send later is thrown away.
        asks: how often a round is asked in which too few have answered, before the run stops.

    Raises:
        InputError: if a value is out of range, or there is no way to the nodes.
    """
    if least_clients is not None:
        least_clients = whole("least_clients", least_clients, least=1)
    require(deadline > 0, "deadline", deadline, "be positive")
    asks = whole("asks", asks, least=1)
    if transport is None:
        raise InputError(
            "The engine `flower` needs the folder of a federation's server: "
            "fedqml run FILE --federation FOLDER."
        )
    settings = assignment.experiment["config"]["engine"]
    portion = settings.get("at_once", 1)
    return Remote(transport, assignment, on_nodes, portion, Terms(least_clients, deadline, asks))
