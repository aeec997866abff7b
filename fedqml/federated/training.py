"""A client's training: gradient steps along a plan of batches, the same alone or under vmap."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import grad_and_value

from fedqml.core.batches import BatchPlan, batch_plans
from fedqml.core.errors import require, whole
from fedqml.core.packing import Packing
from fedqml.core.updates import State
from fedqml.federated.budget import Budget

_UNLIMITED = Budget()

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""``(params, rows, mask, key) -> mean loss`` of one batch."""
Step = Callable[[Tensor, Tensor, State], tuple[Tensor, State]]
"""``(params, gradient, state) -> (params, state)``: one step of an optimiser."""

Gradient = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""``(params, rows, mask, key) -> (gradient, mean loss)`` of one batch."""
Advance = Callable[[Tensor, State, Tensor, Tensor, Tensor], tuple[Tensor, State, Tensor, Tensor]]
"""One training step, see ``Local.advance``."""


@dataclass(frozen=True)
class Received:
    """What a client has from the server when its round begins.

    Attributes:
        params: the weights.
        sent: what the server's rules send beside them (``Transform.sends``).
        packing: where the model's tensors lie in the weights.
    """

    params: Float[Tensor, " d"]
    sent: Mapping[str, Tensor]
    packing: Packing


@dataclass(frozen=True)
class InPlace:
    """An optimiser's step that changes weights and state where they are, for large models.

    The state of ``Local.init`` is zeros. ``weights``, ``gradient`` and those tensors of the state
    that are as long as the weights are the same part of their vectors; the others, such as a count,
    are whole.

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
        init: from weights ``(d,)`` to the optimiser's first state; with a ``begin``, to anything of
            the names and shapes that it sets.
        step: one optimiser step.
        epochs: passes over the client's data a round.
        batch_size: examples a batch.
        keep_state: whether a client's optimiser state lives on to its next round (as central
            training needs); if not, each round starts with a new one.
        in_place: the same step for engines that train large models; None if there is none.
        begin: ``(received, kept) -> (params, state)``: where a round starts, and with what, for
            rules that need more than ``init`` knows; ``kept`` is empty in a client's first round.
        end: ``(received, params, state, steps) -> (params, kept)``: what is sent (as its difference
            from what was received) and what stays with the client for its next round; ``steps`` is
            the number of optimiser steps taken.
        differentiate: from the loss to its gradient and value. The weights may be longer than the
            model's, if ``begin`` makes them so.
        personal: ``(received, kept) -> params``: the weights that a client itself uses, where they
            are not the global ones.
        budgets: of clients that train more or less than ``epochs`` passes.
        report: from the state after a round's last step to what a client sends beside its update,
            ``Updates.reports``: tensors in memory of their own, whose names, shapes and types are
            the same after any number of steps, also none.
    """

    init: Callable[[Tensor], State]
    step: Step
    epochs: int
    batch_size: int
    keep_state: bool
    in_place: InPlace | None = None
    begin: Callable[[Received, State], tuple[Tensor, State]] | None = None
    end: Callable[[Received, Tensor, State, Tensor], tuple[Tensor, State]] | None = None
    differentiate: Callable[[Loss], Gradient] = grad_and_value
    personal: Callable[[Received, State], Tensor] | None = None
    budgets: Mapping[int, Budget] = field(default_factory=dict)
    report: Callable[[State], State] | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, whole(name, getattr(self, name), least=1))

    def budget(self, client: int) -> Budget:
        """Return what a client can do in a round."""
        return self.budgets.get(client, _UNLIMITED)

    def samples(self, client: int, rows: int) -> int:
        """Return on how many examples a client of so many rows trains in a round."""
        return self.budget(client).samples(rows, self.batch_size, self.epochs)

    def plans(
        self,
        clients: Sequence[int],
        rows: Sequence[Int[Tensor, " _"]],
        rngs: Iterable[np.random.Generator],
    ) -> BatchPlan:
        """Draw the batches of a round; see ``batch_plans``.

        Args:
            clients: who trains.
            rows: each one's rows in the pooled data.
            rngs: each one's stream of this round.
        """
        budgets = [self.budget(client) for client in clients]
        epochs = [budget.epochs or self.epochs for budget in budgets]
        most = [budget.batches for budget in budgets]
        return batch_plans(rows, self.batch_size, epochs, rngs, most)

    def start(self, received: Received, kept: State) -> tuple[Float[Tensor, " n"], State]:
        """Return the weights and the state with which a client's round starts.

        Args:
            received: from the server.
            kept: what the client kept from its last round; may be empty.
        """
        if self.begin:
            return self.begin(received, kept)
        return received.params, {**self.init(received.params), **kept}

    def finish(
        self,
        received: Received,
        params: Float[Tensor, " n"],
        state: State,
        steps: Int[Tensor, ""] | Float[Tensor, ""],
    ) -> tuple[Float[Tensor, " d"], State]:
        """Return the weights that a client answers with, and what it keeps for itself.

        Args:
            received: as at the start.
            params: after training.
            state: after training.
            steps: optimiser steps taken.
        """
        if self.end:
            return self.end(received, params, state, steps)
        return params, state if self.keep_state else {}

    def reports(self, state: State) -> State:
        """Return what a client reports after its last step."""
        return self.report(state) if self.report else {}

    def reported(self, received: Received) -> State:
        """Return tensors of the names, shapes and types of what a client reports."""
        return self.reports(self.start(received, {})[1]) if self.report else {}

    def keeps(self, received: Received) -> bool:
        """Return whether clients keep anything for their next round."""
        params, state = self.start(received, {})
        return bool(self.finish(received, params, state, torch.ones(()))[1])

    def advance(self, loss: Loss, ragged: bool) -> Advance:
        """Return one training step of a client, ``torch.vmap`` can map it.

        Args:
            loss: mean loss of a batch.
            ragged: whether some batches may be empty; their steps change nothing.

        Returns:
            ``(params, state, rows, mask, key) -> (params, state, value, size)``: the mean loss of
            the batch before the step, and the number of its examples.
        """
        differentiated = self.differentiate(loss)

        def advance(
            params: Tensor, state: State, rows: Tensor, mask: Tensor, key: Tensor
        ) -> tuple[Tensor, State, Tensor, Tensor]:
            gradient, value = differentiated(params, rows, mask, key)
            stepped, after = self.step(params, gradient, state)
            size = mask.sum()
            if ragged:
                stepped = torch.where(size > 0, stepped, params)
                after = {n: torch.where(size > 0, v, state[n]) for n, v in after.items()}
            return stepped, after, value, size

        return advance

    def run(
        self,
        loss: Loss,
        params: Float[Tensor, " d"],
        state: State,
        plan: BatchPlan,
        ragged: bool = False,
    ) -> tuple[Float[Tensor, " d"], State, Float[Tensor, ""]]:
        """Train one client for a round.

        Args:
            loss: mean loss of a batch.
            params: the weights received.
            state: the optimiser's state.
            plan: the batches, ``(epochs, steps, ...)``.
            ragged: whether some may be empty; these are left out, which ``torch.vmap`` cannot map.

        Returns:
            The trained weights, the optimiser's state, and the mean loss over the examples of
            the last epoch, each taken just before the step that used it.
        """
        advance = self.advance(loss, ragged=False)
        for epoch in zip(*plan, strict=True):
            losses = []
            for rows, mask, key in zip(*epoch, strict=True):
                if ragged and not mask.any():
                    continue
                params, state, value, size = advance(params, state, rows, mask, key)
                losses.append((value, size))
        values, sizes = (torch.stack(each) for each in zip(*losses, strict=True))
        return params, state, mean_loss(values, sizes)


def require_rule(rule: object) -> None:
    """Raise ``InputError`` unless what a rule shall be built around is one, as ``sgd()`` returns.

    Example:
        >>> require_rule(0.1)
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `optimiser` must be a local rule, such as sgd() \
returns, but optimiser=0.1.
    """
    allowed = "be a local rule, such as sgd() returns"
    require(isinstance(rule, Local), "optimiser", rule, allowed)


def mean_loss(
    values: Float[Tensor, "steps *clients"], sizes: Int[Tensor, "steps *clients"]
) -> Float[Tensor, "*clients"]:
    """Return the mean over examples of the mean losses of batches.

    It is summed in double precision and one after the other, so that empty batches, with which the
    longest of the clients trained together fills up the others, change no bit.

    Example:
        >>> mean_loss(torch.tensor([1.0, 4.0]), torch.tensor([2, 1]))
        tensor(2.)
    """
    total = (values.double() * sizes).cumsum(0)[-1]
    return (total / sizes.sum(0)).to(values.dtype)
