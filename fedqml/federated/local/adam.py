"""Adam on each client."""

import torch
from torch import Tensor
from torch.optim.adam import adam as fused_adam

from fedqml.core.errors import require
from fedqml.core.updates import State
from fedqml.federated.training import InPlace, Local


def adam(
    lr: float = 1e-3,
    epochs: int = 1,
    batch_size: int = 32,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    keep_state: bool = False,
) -> Local:
    """Return local training by Adam: ``p <- p - lr m' / (sqrt(v') + eps)``.

    ``m <- beta1 m + (1-beta1) g``, ``v <- beta2 v + (1-beta2) g^2``, ``m' = m / (1-beta1^t)``,
    ``v' = v / (1-beta2^t)``, with ``g + lambda p`` in place of g under weight decay lambda.

    Args:
        lr: the learning rate.
        epochs: passes over the client's data a round.
        batch_size: examples a batch.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        eps: added to the denominator, positive.
        weight_decay: lambda.
        keep_state: whether a client's moments live on to its next round.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> adam(lr=0.01, batch_size=16).batch_size
        16

    Source: Kingma and Ba, arXiv:1412.6980, algorithm 1; as ``torch.optim.Adam``.
    """
    require(lr >= 0, "lr", lr, "be at least 0")
    require(0 <= beta1 < 1, "beta1", beta1, "be in [0, 1)")
    require(0 <= beta2 < 1, "beta2", beta2, "be in [0, 1)")
    require(eps > 0, "eps", eps, "be positive")
    require(weight_decay >= 0, "weight_decay", weight_decay, "be at least 0")

    def init(params: Tensor) -> State:
        return {
            "m": torch.zeros_like(params),
            "v": torch.zeros_like(params),
            # In double precision: beta2^t for large t loses digits in float32.
            "t": torch.zeros((), dtype=torch.float64),
        }

    def step(params: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        if weight_decay:
            gradient = gradient + weight_decay * params
        t = state["t"] + 1
        m = beta1 * state["m"] + (1 - beta1) * gradient
        v = beta2 * state["v"] + (1 - beta2) * gradient**2
        scale = (lr / (1 - beta1**t)).to(params.dtype)
        root = (1 - beta2**t).sqrt().to(params.dtype)
        return params - scale * m / (v.sqrt() / root + eps), {"m": m, "v": v, "t": t}

    def begin(state: State) -> None:
        state["t"].add_(1)

    def step_in_place(weights: Tensor, gradient: Tensor, state: State) -> None:
        # PyTorch counts the step itself.
        count = (state["t"] - 1).to(torch.float32)
        fused_adam(
            *([weights], [gradient], [state["m"]], [state["v"]], [], [count]),
            fused=True,
            amsgrad=False,
            maximize=False,
            beta1=beta1,
            beta2=beta2,
            lr=lr,
            weight_decay=weight_decay,
            eps=eps,
        )

    in_place = InPlace(begin, step_in_place)
    return Local(init, step, epochs, batch_size, keep_state, in_place)
