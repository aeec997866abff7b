"""Circuits' values and gradients as functions that PyTorch can differentiate and map.

Both functions work on a stack of clients. ``torch.vmap`` makes the stack longer instead of
calling them in a loop: the gradients of many clients, or of single examples, are one call.
Derivatives of higher order are taken through the plain PyTorch expression of the same circuit.
Forward ones are refused by PyTorch, as there is no ``jvp`` here: a function's own one loses the
tangents of an outer forward derivative without a word. ``is_forward`` tells when to go another way.
"""

import inspect
from typing import Any

import torch
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.native import operators
from fedqml.quantum.native.program import Program


def is_forward(*tensors: Tensor) -> bool:
    """Return whether a forward derivative may be under way.

    Args:
        tensors: what would be given to a function.

    Returns:
        True inside ``torch.func.jvp`` and what builds on it, and for dual tensors.

    Example:
        >>> torch.func.jvp(lambda v: v * is_forward(v), (torch.ones(1),), (torch.ones(1),))[0]
        tensor([1.])
        >>> is_forward(torch.ones(1))
        False
    """
    if _in_transform():
        stack = torch._C._functorch.get_interpreter_stack() or ()
        if any(level.key() == torch._C._functorch.TransformType.Jvp for level in stack):
            return True
    if torch.autograd.forward_ad._current_level < 0:  # no dual tensors can be there
        return False
    return any(torch.autograd.forward_ad.unpack_dual(t).tangent is not None for t in tensors)


def _in_transform() -> bool:
    return torch._C._functorch.peek_interpreter_stack() is not None


def expectations(program: Program, x: Tensor, w: Tensor) -> Tensor:
    """Return the expectation values, with gradients by the adjoint method.

    Args:
        program: the compiled circuit; has a tape and, for the kernels, tables of its columns.
        x: its inputs; (batch, inputs).
        w: its weights; (weights,).

    Returns:
        (batch, observables).
    """
    if _in_transform():
        values, _ = Expectations.apply(x, w, program)
        return values
    if torch.is_grad_enabled() and (x.requires_grad or w.requires_grad):
        return Recorded.apply(x, w, program)
    return operators.expectations(program, x, w, keep=False)[0]


def plain(program: Program, x: Tensor, w: Tensor) -> Tensor:
    """Return the expectation values by PyTorch's own operations.

    Args:
        program: the compiled circuit.
        x: its inputs; (clients, batch, inputs), or (*batch, inputs) of a single client.
        w: its weights; (clients, weights), or (weights,).

    Returns:
        (clients, batch, observables), or (*batch, observables).
    """
    if w.ndim == 1:
        return simulate(program.circuit, *program.read(x, w))
    return torch.func.vmap(lambda rows, weights: plain(program, rows, weights))(x, w)


def _plain_gradients(
    program: Program, x: Tensor, w: Tensor, cotangents: Tensor
) -> tuple[Tensor, Tensor]:
    _, pull = torch.func.vjp(lambda a, b: plain(program, a, b), x, w)
    gradient_x, gradient_w = pull(cotangents)
    return gradient_x, gradient_w


def _stacked(size: int, stacked: bool, values: Tensor, dimension: int | None) -> Tensor:
    """Return values with the mapped dimension in front, joined to that of clients if there is."""
    if dimension is None:
        values = values.expand(size, *values.shape)
    else:
        values = values.movedim(dimension, 0)
    return values.flatten(0, 1) if stacked else values


def _unstacked(size: int, stacked: bool, values: Tensor) -> Tensor:
    return values.unflatten(0, (size, -1)) if stacked else values


def _gradients(ctx: Any, cotangents: Tensor) -> tuple[Tensor, Tensor]:
    x, w, kept = ctx.saved_tensors
    # PyTorch's older vmap, which knows no rules for functions such as these
    batched = torch._C._functorch.is_legacy_batchedtensor(cotangents)
    allowed = "be False: `torch.func.jacrev` and `torch.func.vmap` do the same"
    require(not batched, "is_grads_batched", True, allowed)
    if torch.is_grad_enabled() or _in_transform():
        return Gradients.apply(x, w, cotangents, kept, ctx.program)
    # nobody will differentiate again
    return operators.gradients(ctx.program, x, w, cotangents, kept)


class Recorded(torch.autograd.Function):
    """⟨P⟩ of a program outside of transforms: (x, w) -> values.

    ``Expectations`` gives the same, but half of a small circuit's time would go to what PyTorch
    does for functions that can be transformed.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, program: Program) -> Tensor:
        """Return the values, and keep what the derivatives need."""
        values, kept = operators.expectations(program, x, w)
        ctx.program = program
        ctx.save_for_backward(x, w, kept)
        return values

    @staticmethod
    def backward(ctx: Any, cotangents: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients."""
        return *_gradients(ctx, cotangents), None


class Expectations(torch.autograd.Function):
    """⟨P⟩ of a program, and what gradients can use again: (x, w) -> (values, kept).

    The latter is that of the stack that the kernels saw, below all mapped dimensions, and never
    mapped itself.
    """

    @staticmethod
    def forward(x: Tensor, w: Tensor, program: Program) -> tuple[Tensor, Tensor]:
        """Return both."""
        return operators.expectations(program, x, w)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Program], output: tuple[Tensor, Tensor]
    ) -> None:
        """Keep what the derivatives need."""
        x, w, ctx.program = inputs
        _, kept = output
        ctx.mark_non_differentiable(kept)
        ctx.set_materialize_grads(False)  # or there would be zeros for what is kept
        ctx.save_for_backward(x, w, kept)

    @staticmethod
    def backward(
        ctx: Any, cotangents: Tensor | None, _: None
    ) -> tuple[Tensor | None, Tensor | None, None]:
        """Return the gradients."""
        if cotangents is None:
            return None, None, None
        return *_gradients(ctx, cotangents), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], *inputs: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, None]]:
        """Return the values of a longer stack of clients."""
        x, w, program = inputs
        # below all mapped dimensions, weights alone have one dimension
        size, stacked = info.batch_size, w.ndim - (in_dims[1] is not None) == 2
        x = _stacked(size, stacked, x, in_dims[0])
        w = _stacked(size, stacked, w, in_dims[1])
        values, kept = Expectations.apply(x, w, program)
        return (_unstacked(size, stacked, values), kept), (0, None)


class Gradients(torch.autograd.Function):
    """The gradients of Σ_P g_P ⟨P⟩: (x, w, g, kept) -> (by x, by w)."""

    @staticmethod
    def forward(
        x: Tensor, w: Tensor, cotangents: Tensor, kept: Tensor, program: Program
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients."""
        return operators.gradients(program, x, w, cotangents, kept)

    @staticmethod
    def setup_context(
        ctx: Any,
        inputs: tuple[Tensor, Tensor, Tensor, Tensor, Program],
        output: tuple[Tensor, Tensor],
    ) -> None:
        """Keep what the derivatives need."""
        x, w, cotangents, _, ctx.program = inputs
        ctx.save_for_backward(x, w, cotangents)

    @staticmethod
    def backward(ctx: Any, by_x: Tensor, by_w: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Return the second derivatives' products with two vectors."""
        _, pull = torch.func.vjp(
            lambda *tensors: _plain_gradients(ctx.program, *tensors), *ctx.saved_tensors
        )
        return *pull((by_x, by_w)), None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Return the gradients of a longer stack of clients."""
        x, w, cotangents, kept, program = inputs
        size, stacked = info.batch_size, w.ndim - (in_dims[1] is not None) == 2
        if in_dims[0] is None and in_dims[1] is None:
            kept = kept[:0]  # the stack was not made longer when they were computed
        x = _stacked(size, stacked, x, in_dims[0])
        w = _stacked(size, stacked, w, in_dims[1])
        cotangents = _stacked(size, stacked, cotangents, in_dims[2])
        by_x, by_w = Gradients.apply(x, w, cotangents, kept, program)
        return (_unstacked(size, stacked, by_x), _unstacked(size, stacked, by_w)), (0, 0)


# PyTorch looks the signatures up at every call, which costs as much as the kernels for a batch
for _forward in (Expectations.forward, Gradients.forward):
    vars(_forward)["__signature__"] = inspect.signature(_forward)
