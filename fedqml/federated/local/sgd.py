"""Stochastic gradient descent on each client."""

import torch
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.updates import State
from fedqml.federated.training import InPlace, Local


def sgd(
    lr: float = 0.01,
    epochs: int = 1,
    batch_size: int = 32,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    keep_state: bool = False,
) -> Local:
    """Return local training by SGD: ``b <- mu b + g + lambda p``, ``p <- p - lr b``.

    Args:
        lr: the learning rate.
        epochs: passes over the client's data a round.
        batch_size: examples a batch.
        momentum: mu, in [0, 1).
        weight_decay: lambda.
        keep_state: whether a client's momentum lives on to its next round.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> sgd(lr=0.5, momentum=0.9).epochs
        1

    Source: as ``torch.optim.SGD``; McMahan et al., arXiv:1602.05629, algorithm 1 (ClientUpdate).
    """
    require(lr >= 0, "lr", lr, "be at least 0")
    require(0 <= momentum < 1, "momentum", momentum, "be in [0, 1)")
    require(weight_decay >= 0, "weight_decay", weight_decay, "be at least 0")

    def init(params: Tensor) -> State:
        return {"momentum": torch.zeros_like(params)} if momentum else {}

    def step(params: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        if weight_decay:
            gradient = gradient + weight_decay * params
        if momentum:
            gradient = momentum * state["momentum"] + gradient
            state = {"momentum": gradient}
        return params - lr * gradient, state

    def step_in_place(weights: Tensor, gradient: Tensor, state: State) -> None:
        if weight_decay:
            gradient.add_(weights, alpha=weight_decay)
        if momentum:
            gradient = state["momentum"].mul_(momentum).add_(gradient)
        weights.add_(gradient, alpha=-lr)

    def outer(weights: Tensor, left: Tensor, right: Tensor, state: State) -> None:
        weights.addmm_(left, right, beta=1 - lr * weight_decay, alpha=-lr)

    in_place = InPlace(lambda state: None, step_in_place, None if momentum else outer)
    return Local(init, step, epochs, batch_size, keep_state, in_place)
