"""Only the largest entries."""

from dataclasses import replace
from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.coding import BYTES, coded


def top_k(fraction: float) -> Transform:
    """Return the transform that sends the largest entries, and keeps the rest for the next round.

    ``e_i <- e_i + delta_i``; the ``ceil(fraction d)`` entries of e_i with the largest absolute
    values are sent, and set to 0 in e_i, which is 0 at first. The history counts the bytes.

    Args:
        fraction: in (0, 1].

    Raises:
        InputError: if ``fraction`` is out of range.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(1), torch.tensor([[2.0, -3.0]]), torch.ones(1), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 2), 0)
        >>> sent, state = top_k(0.5).apply(u, {"error": torch.zeros(1, 2)}, context)
        >>> sent.delta, state["error"]
        (tensor([[ 0., -3.]]), tensor([[2., 0.]]))

    Source: Stich et al., arXiv:1809.07599, algorithm 1.
    """
    require(0 < fraction <= 1, "fraction", fraction, "be in (0, 1]")

    def init(params: Float[Tensor, " d"]) -> State:
        return {"error": torch.zeros_like(params)}

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        whole = state["error"] + updates.delta
        largest = whole.abs().topk(ceil(fraction * whole.shape[1]), dim=1).indices
        sent = torch.zeros_like(whole).scatter(1, largest, whole.gather(1, largest))
        size = coded(sent, 8 * sent.element_size())
        sized = replace(updates, delta=sent, metrics={**updates.metrics, BYTES: size})
        return sized, {"error": whole - sent}

    return Transform(init, apply)
