"""What poisons have in common: who poisons which rows."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.attackers import Attackers, attacking
from fedqml.core.errors import InputError
from fedqml.data.dataset import FederatedData

Poison = Callable[[FederatedData, int], FederatedData]
"""From data and the run's seed to data that some clients have changed."""


def poisoned(
    attackers: Attackers, data: FederatedData, seed: int
) -> Iterator[tuple[int, Int[Tensor, " examples"]]]:
    """Yield number and rows of each attacker whose rows are on this machine.

    Raises:
        InputError: for an attacker that the data do not have.
    """
    everybody = torch.arange(len(data.clients))
    if isinstance(attackers, list) and not set(attackers) <= set(everybody.tolist()):
        raise InputError(
            f"Argument `attackers` must name clients from 0 to {len(data.clients) - 1}, but it "
            f"is {attackers}."
        )
    for client in everybody[attacking(attackers, everybody, everybody, seed)].tolist():
        if data.is_here(client):
            yield client, data.clients[client]
