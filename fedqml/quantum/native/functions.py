"""The kernels as functions that PyTorch can differentiate and map.

Both functions work on a stack of clients. ``torch.vmap`` makes the stack longer instead of
calling them in a loop: the gradients of many clients, or of single examples, are one call.
Derivatives of higher order are taken through the plain PyTorch expression of the same circuit.
Forward ones are refused by PyTorch, as there is no ``jvp`` here: a function's own one loses the
tangents of an outer forward derivative without a word. ``is_forward`` tells when to go another way.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.native import call
from fedqml.quantum.native.program import Program

Inputs = Float[Tensor, "clients batch columns"]
Weights = Float[Tensor, "clients angles"]
Values = Float[Tensor, "clients batch observables"]


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
    if torch._C._functorch.peek_interpreter_stack() is not None:
        stack = torch._C._functorch.get_interpreter_stack() or ()
        if any(level.key() == torch._C._functorch.TransformType.Jvp for level in stack):
            return True
    return any(torch.autograd.forward_ad.unpack_dual(t).tangent is not None for t in tensors)


def plain(program: Program, x: Tensor, w: Tensor) -> Tensor:
    """Return the expectation values by PyTorch's own operations.

    Args:
        program: the compiled circuit.
        x: its inputs; (clients, batch, columns).
        w: its weights; (clients, columns).

    Returns:
        (clients, batch, observables).
    """
    return torch.func.vmap(lambda rows, angles: simulate(program.circuit, rows, angles))(x, w)


def _plain_gradients(
    program: Program, x: Tensor, w: Tensor, cotangents: Tensor
) -> tuple[Tensor, Tensor]:
    _, pull = torch.func.vjp(lambda a, b: plain(program, a, b), x, w)
    gradient_x, gradient_w = pull(cotangents)
    return gradient_x, gradient_w


def _stacked(size: int, values: Tensor, dimension: int | None) -> Tensor:
    """Return values with the mapped dimension joined to that of the clients."""
    if dimension is None:
        values = values.expand(size, *values.shape)
    else:
        values = values.movedim(dimension, 0)
    return values.flatten(0, 1)


class Expectations(torch.autograd.Function):
    """⟨P⟩ of a program: (x, w) -> values."""

    @staticmethod
    def forward(x: Tensor, w: Tensor, program: Program) -> Tensor:
        """Return the values."""
        assert program.tape is not None, "only called where the kernels run"
        return call.expectations(program.tape, x, w)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Program], output: Tensor) -> None:
        """Keep what the derivatives need."""
        x, w, ctx.program = inputs
        ctx.save_for_backward(x, w)

    @staticmethod
    def backward(ctx: Any, cotangents: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients."""
        x, w = ctx.saved_tensors
        gradient_x, gradient_w = Gradients.apply(x, w, cotangents, ctx.program)
        return gradient_x, gradient_w, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None, None], *inputs: Any
    ) -> tuple[Tensor, int]:
        """Return the values of a longer stack of clients."""
        x, w, program = inputs
        x = _stacked(info.batch_size, x, in_dims[0])
        w = _stacked(info.batch_size, w, in_dims[1])
        return Expectations.apply(x, w, program).unflatten(0, (info.batch_size, -1)), 0


class Gradients(torch.autograd.Function):
    """The gradients of Σ_P g_P ⟨P⟩: (x, w, g) -> (by x, by w)."""

    @staticmethod
    def forward(
        x: Tensor, w: Tensor, cotangents: Tensor, program: Program
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients."""
        assert program.tape is not None, "only called where the kernels run"
        return call.gradients(program.tape, x, w, cotangents)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Program], output: tuple[Tensor, Tensor]
    ) -> None:
        """Keep what the derivatives need."""
        *tensors, ctx.program = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, by_x: Tensor, by_w: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Return the second derivatives' products with two vectors."""
        _, pull = torch.func.vjp(
            lambda *tensors: _plain_gradients(ctx.program, *tensors), *ctx.saved_tensors
        )
        return *pull((by_x, by_w)), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Return the gradients of a longer stack of clients."""
        *tensors, program = inputs
        stacked = [
            _stacked(info.batch_size, values, dimension)
            for values, dimension in zip(tensors, in_dims, strict=False)
        ]
        found = Gradients.apply(*stacked, program)
        by_x, by_w = (values.unflatten(0, (info.batch_size, -1)) for values in found)
        return (by_x, by_w), (0, 0)
