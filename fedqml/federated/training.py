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

Advance = Callable[[Tensor, State, Tensor, Tensor, Tensor], tuple[Tensor, State, Tensor, Tensor]]
"""One training step, see ``Local.advance``."""


@dataclass(frozen=True)
class InPlace:
    """An optimiser's step that changes weights and state where they are, for large models.

    Its first state is zeros. ``weights``, ``gradient`` and those tensors of the state that are as
    long as the weights are the same part of their vectors; the others, such as a count, are whole.

    Attributes:
        begin: ``(state)``: what a step does once, before any part, such as counting it.
        step: ``(weights, gradient, state)``; the gradient's memory may be used.
        outer: ``(weights, left, right, state)``: the step for a matrix of weights whose gradient is
            ``left @ right``, without ever forming that; None if the rule needs it.
    """

    begin: Callable[[State], None]
    step: Callable[[Tensor, Tensor, State], None]
    outer: Callable[[Tensor, Tensor, Tensor, State], None] | None = None


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
        in_place: the same step for engines that train large models; None if there is none.
    """

    init: Callable[[Tensor], State]
    step: Step
    epochs: int
    batch_size: int
    keep_state: bool
    in_place: InPlace | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, whole(name, getattr(self, name), least=1))

    def advance(self, loss: Loss, ragged: bool) -> Advance:
        """Return one training step of a client, ``torch.vmap`` can map it.

        Args:
            loss: mean loss of a batch.
            ragged: whether some batches may be empty; their steps change nothing.

        Returns:
            ``(params, state, rows, mask, key) -> (params, state, value, size)``: the mean loss of
            the batch before the step, and the number of its examples.
        """

        def advance(
            params: Tensor, state: State, rows: Tensor, mask: Tensor, key: Tensor
        ) -> tuple[Tensor, State, Tensor, Tensor]:
            gradient, value = grad_and_value(loss)(params, rows, mask, key)
            stepped, after = self.step(params, gradient, state)
            size = mask.sum()
            if ragged:
                stepped = torch.where(size > 0, stepped, params)
                after = {n: torch.where(size > 0, v, state[n]) for n, v in after.items()}
            return stepped, after, value, size

        return advance

    def run(
        self, loss: Loss, params: Float[Tensor, " d"], state: State, plan: BatchPlan
    ) -> tuple[Float[Tensor, " d"], State, Float[Tensor, ""]]:
        """Train one client for a round.

        Args:
            loss: mean loss of a batch.
            params: the weights received.
            state: the optimiser's state.
            plan: the batches, ``(epochs, steps, ...)``, none of them empty.

        Returns:
            The trained weights, the optimiser's state, and the mean loss over the examples of
            the last epoch, each taken just before the step that used it.
        """
        advance = self.advance(loss, ragged=False)
        losses = []
        for rows, mask, key in zip(*(field.flatten(0, 1) for field in plan), strict=True):
            params, state, value, size = advance(params, state, rows, mask, key)
            losses.append((value, size))
        last = losses[-plan.rows.shape[1] :]
        values, sizes = (torch.stack(each) for each in zip(*last, strict=True))
        return params, state, mean_loss(values, sizes)


def mean_loss(
    values: Float[Tensor, "steps *clients"], sizes: Int[Tensor, "steps *clients"]
) -> Float[Tensor, "*clients"]:
    """Return the mean over examples of the mean losses of batches.

    Example:
        >>> mean_loss(torch.tensor([1.0, 4.0]), torch.tensor([2, 1]))
        tensor(2.)
    """
    return (values * sizes).sum(0) / sizes.sum(0)
