"""Local rules that look at the gradients which an optimiser steps along, and report on them."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.func import grad_and_value

from fedqml.core.errors import InputError
from fedqml.core.transform import prefixed, select
from fedqml.core.updates import State
from fedqml.federated.training import InPlace, Local, Received, require_rule

See = Callable[[Tensor, State], State]
"""``(gradient, seen) -> seen``: what is remembered after one more gradient."""


def observing(
    optimiser: Local,
    report: str,
    first: Callable[[Tensor], State],
    see: See,
    tell: Callable[[State], Tensor],
) -> Local:
    """Return a rule that steps as the optimiser does, and reports on the gradients of the round.

    Args:
        optimiser: takes the steps.
        report: the report's name.
        first: from the weights to what is remembered before the first gradient: zeros.
        see: remembers a gradient; ``seen`` has the number of gradients, with this one, in
            ``steps``. In place it is given parts of a gradient with the same parts of what is as
            long: whatever is not must add up over the parts.
        tell: from what is remembered to the report, in memory of its own.

    Raises:
        InputError: if the optimiser is no local rule of plain gradients; before training, if it
            trains other weights than the model's.
    """
    require_rule(optimiser)
    if optimiser.differentiate is not grad_and_value:
        raise InputError(
            f"The local rule `{report}` must be built around one that steps along plain gradients, "
            "which ditto and quantum_natural_gradient do not."
        )
    own = f"{report}/"

    def fresh(params: Tensor) -> State:
        return prefixed({"steps": torch.zeros((), dtype=torch.float64), **first(params)}, own)

    def init(params: Tensor) -> State:
        return {**optimiser.init(params), **fresh(params)}

    def begin(received: Received, kept: State) -> tuple[Tensor, State]:
        params, state = optimiser.start(received, kept)
        if params.shape != received.params.shape:
            raise InputError(
                f"The local rule `{report}` must be built around one that trains the model's "
                "weights alone, which ditto does not."
            )
        return params, {**state, **fresh(params)}

    def step(params: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        seen = select(state, own)
        seen["steps"] = seen["steps"] + 1
        seen |= see(gradient, seen)
        stepped, after = optimiser.step(params, gradient, state)
        return stepped, {**state, **after, **prefixed(seen, own)}

    def end(
        received: Received, params: Tensor, state: State, steps: Tensor
    ) -> tuple[Tensor, State]:
        rest = {name: value for name, value in state.items() if not name.startswith(own)}
        return optimiser.finish(received, params, rest, steps)

    def reports(state: State) -> State:
        return {**optimiser.reports(state), report: tell(select(state, own))}

    inner = optimiser.in_place

    def begin_in_place(state: State) -> None:
        assert inner is not None
        state[f"{own}steps"].add_(1)
        inner.begin(state)

    def step_in_place(weights: Tensor, gradient: Tensor, state: State) -> None:
        assert inner is not None
        seen = select(state, own)
        for name, value in see(gradient, seen).items():
            seen[name].copy_(value)
        inner.step(weights, gradient, state)

    in_place = InPlace(begin_in_place, step_in_place) if inner else None
    return replace(
        optimiser, init=init, step=step, begin=begin, end=end, report=reports, in_place=in_place
    )
