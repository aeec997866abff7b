"""Local training that is corrected for the drift of a client's data."""

from dataclasses import replace

import torch
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.updates import State
from fedqml.federated.plugins import Optimiser
from fedqml.federated.training import InPlace, Local, Received, require_rule


def scaffold(optimiser: Optimiser) -> Local:
    """Return local training whose every step is corrected by ``u_i - u``.

    The control variates u are the paper's c times the learning rate: mean displacements a step,
    so no rule but the optimiser needs to know that. After K steps from the received weights x to y,

    ``u_i <- u_i - u + (x - y) / K`` (option II), which stays with the client.

    The server, whose side of the strategy must be ``scaffold``, has u as the mean of the u_i. It
    works out their changes from the updates and the numbers of steps, so nothing more leaves a
    client than in federated averaging: what clips or hides the updates does so for these. With SGD
    without momentum this is the paper's algorithm, with others its obvious extension.

    Args:
        optimiser: takes the steps, such as ``sgd``; its epochs and batches are the rule's.

    Raises:
        InputError: before training, if the server's side is another.

    Example:
        >>> from fedqml.federated.local import sgd
        >>> scaffold(sgd(lr=0.1, epochs=3)).epochs
        3

    Source: Karimireddy et al., arXiv:1910.06378, algorithm 1, option II.
    """
    require_rule(optimiser)

    def init(params: Tensor) -> State:
        return {**optimiser.init(params), "correction": torch.zeros_like(params)}

    def begin(received: Received, kept: State) -> tuple[Tensor, State]:
        if "control" not in received.sent:
            raise InputError(
                "The local rule `scaffold` needs the server's side of the strategy to be "
                "`scaffold`, which sends the mean control variate."
            )
        own = kept.get("control", torch.zeros_like(received.params))
        rest = {name: value for name, value in kept.items() if name != "control"}
        params, state = optimiser.start(received, rest)
        return params, {**state, "correction": own - received.sent["control"]}

    def step(params: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        stepped, after = optimiser.step(params, gradient, state)
        return stepped + state["correction"], {**state, **after}

    def end(
        received: Received, params: Tensor, state: State, steps: Tensor
    ) -> tuple[Tensor, State]:
        rest = {name: value for name, value in state.items() if name != "correction"}
        answer, kept = optimiser.finish(received, params, rest, steps)
        control = state["correction"] + (received.params - answer) / steps
        return answer, {**kept, "control": control}

    inner = optimiser.in_place

    def step_in_place(weights: Tensor, gradient: Tensor, state: State) -> None:
        assert inner is not None
        inner.step(weights, gradient, state)
        weights.add_(state["correction"])

    in_place = InPlace(inner.begin, step_in_place) if inner else None
    return replace(optimiser, init=init, step=step, begin=begin, end=end, in_place=in_place)
