"""Clients that send an update without having trained."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.attackers import Attackers, checked
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.attack import attackers_among


def free_rider(attackers: Attackers) -> Transform:
    """Let attackers send what the global weights have moved by since they last took part.

    It looks like training, and costs none. In its first round an attacker sends zeros. On the
    client's side only: each remembers the weights that it received.

    Args:
        attackers: their numbers, or a fraction of each cohort, drawn from the seed.

    Raises:
        InputError: if ``attackers`` is out of range.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(3), torch.ones(3, 1), torch.ones(3), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> state = {"received": torch.full((3, 1), -0.5)}
        >>> free_rider([2]).apply(u, state, context)[0].delta.T
        tensor([[1.0000, 1.0000, 0.5000]])

    Source: Lin et al., arXiv:1911.12560 (delta weights attack).
    """
    checked(attackers)

    def init(params: Float[Tensor, " d"]) -> State:
        return {"received": params}

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        received = context.received(updates.clients.tolist())
        theirs = attackers_among(attackers, updates.clients, context)
        forged = torch.where(theirs[:, None], received - state["received"], updates.delta)
        return replace(updates, delta=forged), {"received": received}

    return Transform(init, apply)
