"""Values of which a rule knows the gradients, as a function that PyTorch can differentiate and map.

The rule's gradients are made of values at other points, for which the same function is called. So
derivatives of every order exist. ``torch.vmap`` makes more rows of what it maps.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

# More rows are evaluated one chunk after the other, so that memory stays bounded.
_ROWS = 1024


@runtime_checkable
class Rule(Protocol):
    """Values at a point, and how gradients follow from values.

    A point is a row of each of some tensors, which may or may not need gradients.
    """

    def values(
        self, key: Int[Tensor, " rows"], point: Sequence[Float[Tensor, "rows _"]]
    ) -> Float[Tensor, "rows *values"]:
        """Return the values at every point; need not be differentiable."""
        ...

    def pull(
        self,
        key: Int[Tensor, " rows"],
        point: Sequence[Float[Tensor, "rows _"]],
        cotangents: Float[Tensor, "rows *values"],
        wanted: Sequence[bool],
    ) -> Sequence[Float[Tensor, "rows _"]]:
        """Return the gradients of Σ g · value; where they are not wanted, anything of the shape."""
        ...


class Estimate(torch.autograd.Function):
    """The values of a rule: (rule, key, *point) -> values."""

    @staticmethod
    def forward(rule: Rule, key: Tensor, *point: Tensor) -> Tensor:
        """Return the values."""
        return rule.values(key, point)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what the gradients need."""
        ctx.rule, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, cotangents: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients, those that are needed."""
        key, *point = ctx.saved_tensors
        wanted = ctx.needs_input_grad[2:]
        found = ctx.rule.pull(key, point, cotangents, wanted)
        return None, None, *(g if yes else None for g, yes in zip(found, wanted, strict=True))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        """Refuse: PyTorch loses the tangents of an outer forward derivative without a word."""
        raise NotImplementedError(
            "This device has no forward derivatives (jvp, jacfwd, hessian): its gradients are "
            "estimated backward. Use vjp, grad and jacrev, also nested."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        """Return the values of more rows."""
        rule, *tensors = inputs
        size = info.batch_size
        stacked = [
            tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        values = Estimate.apply(rule, *(tensor.flatten(0, 1) for tensor in stacked))
        return values.unflatten(0, stacked[0].shape[:2]), 0


def in_chunks(rows: int, evaluate: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the values of many rows, computed some at a time.

    Args:
        rows: how many.
        evaluate: the numbers of some of them to their values, a row each.

    Returns:
        All values, in the order of the rows.

    Example:
        >>> in_chunks(3, lambda numbers: 10 * numbers)
        tensor([ 0, 10, 20])
    """
    # no rows are a chunk, too, as the result has other dimensions
    starts = range(0, max(rows, 1), _ROWS)
    return torch.cat([evaluate(torch.arange(s, min(s + _ROWS, rows))) for s in starts])
