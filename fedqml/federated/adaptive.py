"""What the server's adaptive optimisers have in common."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError, require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates

Moment = Callable[[Float[Tensor, " d"], Float[Tensor, " d"]], Float[Tensor, " d"]]
"""From the second moment and the squared update to the next second moment."""


def adaptive(moment: Moment, lr: float, beta1: float, tau: float) -> Transform:
    """Make an optimiser of the server of a rule for the second moment.

    ``m <- beta1 m + (1 - beta1) delta``, ``v <- moment(v, delta^2)``,
    ``step = lr m / (sqrt(v) + tau)``, from ``m = 0`` and ``v = tau^2``.

    Args:
        moment: the rule.
        lr: the server's learning rate.
        beta1: decay of the first moment, in [0, 1).
        tau: how adaptive it is, the less the more; positive.

    Raises:
        InputError: if a value is out of range; in a round that no aggregator has left one row of.

    Source: Reddi et al., arXiv:2003.00295, algorithm 2.
    """
    require(lr > 0, "lr", lr, "be positive")
    require(0 <= beta1 < 1, "beta1", beta1, "be in [0, 1)")
    require(tau > 0, "tau", tau, "be positive")

    def init(params: Float[Tensor, " d"]) -> State:
        return {"m": torch.zeros_like(params), "v": torch.full_like(params, tau**2)}

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        delta = aggregate(updates)
        m = beta1 * state["m"] + (1 - beta1) * delta
        v = moment(state["v"], delta**2)
        return replace(updates, delta=(lr * m / (v.sqrt() + tau))[None]), {"m": m, "v": v}

    return Transform(init, apply)


def aggregate(updates: Updates) -> Float[Tensor, " d"]:
    """Return the one row that an aggregator has left.

    Raises:
        InputError: if there are more.
    """
    if len(updates.delta) != 1:
        raise InputError(
            "An optimiser of the server needs the one row that an aggregator leaves, but there are "
            f"{len(updates.delta)}: write it behind one, such as `mean`."
        )
    return updates.delta[0]
