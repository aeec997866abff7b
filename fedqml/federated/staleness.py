"""How old updates are, for the server's rules."""

from collections.abc import Callable
from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.resolve import Plugin
from fedqml.core.updates import Updates

STALENESS = "staleness"
"""The metric that the server adds on a virtual clock: its steps since the client began."""
Factor = Callable[[Float[Tensor, " k"]], Float[Tensor, " k"]]
"""From stalenesses to what updates still count for."""
Decay = Annotated[Factor, Plugin("fedqml.federated.decays")]
"""How the factor falls."""


def staleness(updates: Updates) -> Float[Tensor, " k"]:
    """Return each update's staleness.

    Raises:
        InputError: if nobody knows it.
    """
    if STALENESS not in updates.metrics:
        raise InputError(
            "How old updates are is known on a virtual clock only: the experiment needs a section "
            "`clock`."
        )
    return updates.metrics[STALENESS]
