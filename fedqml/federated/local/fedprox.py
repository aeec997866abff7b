"""Local training that does not stray far from the global model."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.updates import State
from fedqml.federated.plugins import Optimiser
from fedqml.federated.training import InPlace, Local, Received, require_rule


def fedprox(optimiser: Optimiser, mu: float = 0.01) -> Local:
    """Return local training on ``F_i(p) + mu/2 ||p - w||^2``, w the weights at the start.

    The optimiser steps along ``g + mu (p - w)``; the loss in the history is F_i alone.

    Args:
        optimiser: takes the steps, such as ``sgd``; its epochs and batches are the rule's.
        mu: strength of the pull, at least 0; with 0 it is plain local training.

    Raises:
        InputError: if ``mu`` is negative.

    Example:
        >>> from fedqml.federated.local import sgd
        >>> fedprox(sgd(lr=0.1, epochs=3), mu=0.1).epochs
        3

    Source: Li et al., arXiv:1812.06127, equation 2 and algorithm 2.
    """
    require_rule(optimiser)
    require(0 <= mu < math.inf, "mu", mu, "be finite and at least 0")

    def init(params: Tensor) -> State:
        return {**optimiser.init(params), "anchor": torch.zeros_like(params)}

    def begin(received: Received, kept: State) -> tuple[Tensor, State]:
        params, state = optimiser.start(received, kept)
        return params, {**state, "anchor": params}

    def step(params: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        pulled = gradient + mu * (params - state["anchor"])
        stepped, after = optimiser.step(params, pulled, state)
        return stepped, {**state, **after}

    def end(
        received: Received, params: Tensor, state: State, steps: Tensor
    ) -> tuple[Tensor, State]:
        own = {name: value for name, value in state.items() if name != "anchor"}
        return optimiser.finish(received, params, own, steps)

    inner = optimiser.in_place

    def step_in_place(weights: Tensor, gradient: Tensor, state: State) -> None:
        assert inner is not None
        # The difference first: a weight that has not moved must not be pulled by rounding errors,
        # which Adam would turn into whole steps.
        gradient.add_(weights - state["anchor"], alpha=mu)
        inner.step(weights, gradient, state)

    in_place = InPlace(inner.begin, step_in_place) if inner else None
    return replace(optimiser, init=init, step=step, begin=begin, end=end, in_place=in_place)
