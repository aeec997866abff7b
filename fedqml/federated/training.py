"""A client's training: gradient steps along a plan of batches, the same alone or under vmap."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import grad_and_value

from fedqml.core.batches import BatchPlan
from fedqml.core.errors import whole
from fedqml.core.updates import State

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""``(params, rows, mask, key) -> mean loss`` of one batch."""
Step = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]
"""``(params, gradient, state) -> (params, state)``: one step of an optimiser."""


@dataclass(frozen=True)
class Local:
    """How one client trains; written for one, and mapped over many by ``torch.vmap``.

    Attributes:
        init: from weights ``(d,)`` to the optimiser's first state.
        step: one optimiser step.
        epochs: passes over the client's data a round.
        batch_size: examples a batch.
        keep_state: whether a client's optimiser state lives on to its next round (as central
            training needs); if not, each round starts with a new one.
    """

    init: Callable[[Tensor], State]
    step: Step
    epochs: int
    batch_size: int
    keep_state: bool

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, whole(name, getattr(self, name), least=1))

    def run(
        self, loss: Loss, params: Float[Tensor, " d"], state: State, plan: BatchPlan, ragged: bool
    ) -> tuple[Float[Tensor, " d"], State, Float[Tensor, ""]]:
        """Train one client for a round.

        Args:
            loss: mean loss of a batch.
            params: the weights received.
            state: the optimiser's state.
            plan: the batches, ``(epochs, steps, ...)``.
            ragged: whether some steps of the plan may be empty; these change nothing.

        Returns:
            The trained weights, the optimiser's state, and the mean loss over the examples of
            the last epoch, each taken just before the step that used it.
        """
        rows, mask, key = plan
        total = seen = params.new_zeros(())
        for epoch in range(rows.shape[0]):
            total = seen = params.new_zeros(())
            for step in range(rows.shape[1]):
                batch: tuple[Int[Tensor, " batch"], Tensor, Tensor]
                batch = (rows[epoch, step], mask[epoch, step], key[epoch, step])
                gradient, value = grad_and_value(loss)(params, *batch)
                stepped, after = self.step(params, gradient, state)
                size = batch[1].sum()
                if ragged:
                    stepped = torch.where(size > 0, stepped, params)
                    after = {n: torch.where(size > 0, v, state[n]) for n, v in after.items()}
                params, state = stepped, after
                total, seen = total + value * size, seen + size
        return params, state, total / seen
