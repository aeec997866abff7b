"""Momentum on the server."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.adaptive import aggregate


def momentum(lr: float = 1.0, beta: float = 0.9) -> Transform:
    """Return momentum on the aggregate: ``v <- beta v + delta``, ``step = lr v``, from ``v = 0``.

    Args:
        lr: the server's learning rate.
        beta: in [0, 1).

    Raises:
        InputError: if a value is out of range; in a round that no aggregator has left one row of.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(1), torch.tensor([[1.0]]), torch.ones(1), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> momentum().apply(u, {"v": torch.tensor([1.0])}, context)[0].delta
        tensor([[1.9000]])

    Source: Hsu et al., arXiv:1909.06335, section 4.3 (FedAvgM).
    """
    require(lr > 0, "lr", lr, "be positive")
    require(0 <= beta < 1, "beta", beta, "be in [0, 1)")

    def init(params: Float[Tensor, " d"]) -> State:
        return {"v": torch.zeros_like(params)}

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        v = beta * state["v"] + aggregate(updates)
        return replace(updates, delta=lr * v[None]), {"v": v}

    return Transform(init, apply)
