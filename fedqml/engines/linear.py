"""Backward passes of dense layers that take the optimiser's step at once.

The gradient of a large weight matrix is as large as the matrix; PyTorch would allocate it anew in
every step, which costs more than computing it. Here the step is taken within the backward pass,
so that no gradient outlives its layer (Lv et al., arXiv:2306.09782, section 3.1).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from fedqml.core.errors import InputError

OuterStep = Callable[[Float[Tensor, "o b"], Float[Tensor, "b i"]], None]
"""Take a step for a weight matrix ``(o, i)`` whose gradient is the product of these."""


class SteppingLinear(TorchFunctionMode):
    """While it is active, layers with these weights take their steps in the backward pass.

    Args:
        steps: name, weight matrix and step of each; the weight is recognised as an object.
    """

    def __init__(self, steps: Iterable[tuple[str, Tensor, OuterStep]]) -> None:
        super().__init__()
        self._steps = {id(weight): (name, weight, step) for name, weight, step in steps}
        self._called: set[int] = set()
        self._stepped: set[int] = set()

    def begin(self) -> None:
        """Forget which layers were called: every training step calls each once."""
        self._called.clear()
        self._stepped.clear()

    def has_stepped(self, weight: Tensor) -> bool:
        """Return whether the backward pass came to a layer with this weight."""
        return id(weight) in self._stepped

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(zip(("input", "weight", "bias"), args, strict=False)) | dict(kwargs or {})
        found = self._steps.get(id(given.get("weight"))) if func is functional.linear else None
        if found is None:
            return func(*args, **(kwargs or {}))
        name, weight, step = found
        if id(weight) in self._called:
            raise InputError(used_twice(name))
        self._called.add(id(weight))
        stepped = self._stepped

        def take(left: Tensor, right: Tensor) -> None:
            stepped.add(id(weight))
            step(left, right)

        x, bias = given["input"], given.get("bias")
        out = _Stepping.apply(x.reshape(-1, x.shape[-1]), weight, take)
        out = out.reshape(*x.shape[:-1], -1)
        return out if bias is None else out + bias


def used_twice(name: str) -> str:
    """Return what to say of a weight whose step cannot be taken in one layer's backward pass."""
    return (
        f"The engine `in_place` cannot train a model that uses its weight `{name}` twice; the "
        "engine `sequential` can."
    )


class _Stepping(torch.autograd.Function):
    """``x @ weight.T``; backward gives the gradient by x, and then takes the weight's step."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, step: OuterStep) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.step = step
        # Quicker than x @ weight.T for a batch that is small beside the matrix.
        return torch.mm(weight, x.T).T.contiguous()

    @staticmethod
    @torch.no_grad()
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        (gradient,) = gradients
        before = torch.mm(gradient, weight) if ctx.needs_input_grad[0] else None
        ctx.step(gradient.T, x)
        return before, None, None
