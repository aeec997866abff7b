"""Which clients attack."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from fedqml.core.errors import require, whole
from fedqml.core.random import derive

Attackers = list[int] | float
"""The attackers' numbers, or which fraction of the clients they are."""


def checked(attackers: Attackers) -> None:
    """Refuse what cannot be attackers.

    Raises:
        InputError: for a negative number, or a fraction that is not in [0, 1).
    """
    if isinstance(attackers, list):
        for client in attackers:
            whole("attackers", client, least=0)
    else:
        allowed = "be a list of clients or a fraction in [0, 1)"
        require(0 <= attackers < 1, "attackers", attackers, allowed)


def existing(attackers: Attackers, clients: int) -> None:
    """Refuse attackers that a federation of so many clients does not have.

    Raises:
        InputError: if one is not there.
    """
    if isinstance(attackers, list):
        allowed = f"name clients from 0 to {clients - 1}"
        require(max(attackers, default=0) < clients, "attackers", attackers, allowed)


def attacking(
    attackers: Attackers,
    clients: Int[Tensor, " k"],
    among: Int[Tensor, " n"],
    seed: int,
) -> Bool[Tensor, " k"]:
    """Return which of the clients attack.

    A fraction of n clients are the ``floor(fraction n)`` that come first in an order drawn from the
    seed, the same for all attacks, rounds and cohorts: of every cohort it is exactly that many.

    Args:
        attackers: see above.
        clients: of whom it is asked.
        among: of which clients a fraction is meant, for example a round's cohort.
        seed: the run's seed.

    Example:
        >>> everybody = torch.arange(4)
        >>> attacking([1, 3], everybody, everybody, 0)
        tensor([False,  True, False,  True])
        >>> int(attacking(0.5, everybody, everybody, 0).sum())
        2
    """
    if not isinstance(attackers, list):
        # rounded, so that 0.29 of 100 clients are 29
        count = int(round(attackers * len(among), 9))
        order = sorted(among.tolist(), key=lambda client: derive(seed, "attackers", client))
        attackers = order[:count]
    return torch.isin(clients, torch.tensor(attackers, dtype=clients.dtype))
