"""Momentum of each client's updates."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates


def client_momentum(beta: float = 0.9) -> Transform:
    """Return the transform that sends each client's running mean of its updates.

    ``m_i <- beta m_i + (1 - beta) delta_i`` with ``m_i = 0`` at first, and m_i is sent. The means
    of honest clients differ less than their updates, which leaves attackers less to hide in.

    Args:
        beta: in [0, 1).

    Raises:
        InputError: if ``beta`` is out of range.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(1), torch.tensor([[2.0]]), torch.ones(1), {})
        >>> context = Context(1, torch.arange(1), torch.zeros(1, 1), 0)
        >>> client_momentum(0.5).apply(u, {"mean": torch.tensor([[4.0]])}, context)[0].delta
        tensor([[3.]])

    Source: Karimireddy et al., arXiv:2012.10333 (worker momentum).
    """
    require(0 <= beta < 1, "beta", beta, "be in [0, 1)")

    def init(params: Float[Tensor, " d"]) -> State:
        return {"mean": torch.zeros_like(params)}

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        mean = beta * state["mean"] + (1 - beta) * updates.delta
        return replace(updates, delta=mean), {"mean": mean}

    return Transform(init, apply)
