"""A model of one's own for every client, held near the global one."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from fedqml.core.errors import InputError, require
from fedqml.core.updates import State
from fedqml.federated.plugins import Optimiser
from fedqml.federated.training import Gradient, Local, Loss, Received, require_rule


def ditto(optimiser: Optimiser, strength: float = 0.1) -> Local:
    """Return local training of the global model, and beside it of a personal one that stays.

    The personal weights v go on from round to round on the same batches, by steps along
    ``grad F_i(v) + lambda (v - w)``, w the global weights received; those that the client answers
    with are trained as without. The optimiser's state is theirs together.

    The history's ``test_`` columns are of the global model; the personal ones are measured in
    ``test_personal_`` columns: those of the round's clients on the server's test rows, weighted to
    the client's own mix of classes. A step takes two gradients, which the costs do not count.

    Args:
        optimiser: takes the steps, such as ``sgd``.
        strength: lambda, at least 0: with 0 a client learns alone, a large one holds it at w.

    Raises:
        InputError: if the strength is negative, or the optimiser a rule with weights of its own.

    Example:
        >>> from fedqml.federated.local import sgd
        >>> ditto(sgd(lr=0.1), strength=1.0).epochs
        1

    Source: Li et al., arXiv:2012.04221, equation 1 and algorithm 1.
    """
    require_rule(optimiser)
    require(0 <= strength < math.inf, "strength", strength, "be finite and at least 0")
    if optimiser.begin is not None:
        raise InputError("`ditto` must be built around a plain optimiser, such as sgd or adam.")

    def init(params: Tensor) -> State:
        both = torch.cat([params, params])
        return {**optimiser.init(both), "received": torch.zeros_like(params)}

    def begin(received: Received, kept: State) -> tuple[Tensor, State]:
        both = torch.cat([received.params, personal(received, kept)])
        rest = {name: value for name, value in kept.items() if name != "personal"}
        return both, {**optimiser.init(both), **rest, "received": received.params}

    def step(params: Tensor, gradient: Tensor, state: State) -> tuple[Tensor, State]:
        own = params.chunk(2)[1]
        pull = strength * (own - state["received"])
        pulled = gradient + torch.cat([torch.zeros_like(pull), pull])
        stepped, after = optimiser.step(params, pulled, state)
        return stepped, {**state, **after}

    def differentiate(loss: Loss) -> Gradient:
        one = optimiser.differentiate(loss)

        def both(params: Tensor, *batch: Tensor) -> tuple[Tensor, Tensor]:
            shared, own = params.chunk(2)
            gradient, value = one(shared, *batch)
            return torch.cat([gradient, one(own, *batch)[0]]), value

        return both

    def end(
        received: Received, params: Tensor, state: State, steps: Tensor
    ) -> tuple[Tensor, State]:
        rest = {name: value for name, value in state.items() if name != "received"}
        both, kept = optimiser.finish(received, params, rest, steps)
        answer, own = both.chunk(2)
        return answer, {**kept, "personal": own}

    def personal(received: Received, kept: State) -> Tensor:
        return kept.get("personal", received.params)

    return replace(
        optimiser,
        init=init,
        step=step,
        begin=begin,
        end=end,
        differentiate=differentiate,
        personal=personal,
        in_place=None,
    )
