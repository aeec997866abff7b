"""What poisons have in common: who poisons which rows."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.attackers import Attackers, attacking, existing
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
    existing(attackers, len(data.clients))
    everybody = torch.arange(len(data.clients))
    for client in everybody[attacking(attackers, everybody, everybody, seed)].tolist():
        if data.is_here(client):
            yield client, data.clients[client]
