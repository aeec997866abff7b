"""Several steps in a row, from the parts of one."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor, fx

from fedqml.engines.traces.calls import quicken, select_rows
from fedqml.engines.traces.operations import trace
from fedqml.engines.traces.parts import Parts


class Batches(NamedTuple):
    """The batches of some steps of k clients.

    Attributes:
        rows: the examples' rows in the pooled data.
        mask: which of them count.
        key: for dropout.
    """

    rows: Int[Tensor, "steps k batch"]
    mask: Bool[Tensor, "steps k batch"]
    key: Int[Tensor, "steps k"]

    def cut(self, steps: int) -> tuple["Batches", "Batches | None"]:
        """Return the batches of the first steps, and the others if there are any."""
        if steps == len(self.rows):
            return self, None
        return Batches(*(f[:steps] for f in self)), Batches(*(f[steps:] for f in self))


Block = Callable[[list[Tensor], Batches], list[Tensor]]
"""Take some steps: from what lasts to what lasts, then losses and sizes of the batches."""


def block(parts: Parts, held: list[Tensor], batches: Batches) -> Block:
    """Return what takes as many steps as there are batches.

    Args:
        parts: a step.
        held: memory for what lasts, with some values for trials. Blocks that are not at work at
            the same time can share it.
        batches: for shapes and trials.
    """
    ahead = quicken(select_rows(_mapped(parts.ahead, *batches)), *batches)
    early = ahead(*batches)
    first = [early[place][0] for place in parts.for_body]
    steps, lasting = len(batches.rows), len(held)
    left = [torch.stack([value] * steps) for value in parts.body(*held, *first)[lasting:]]
    left += [early[place] for place in parts.for_behind]
    behind = quicken(_mapped(parts.behind, *left), *left)
    body = quicken(parts.body, *held, *first, lasting=lasting)

    def take(tensors: list[Tensor], batches: Batches) -> list[Tensor]:
        # Quicker than `no_grad`, but tensors made there cannot be trained: copies leave.
        with torch.inference_mode():
            early = ahead(*batches)
            each = [early[place].unbind() for place in parts.for_body]
            for place, tensor in zip(held, tensors, strict=True):
                place.copy_(tensor)
            kept = [body(*values)[lasting:] for _, *values in zip(range(steps), *each, strict=True)]
            left = [torch.stack(values) for values in zip(*kept, strict=True)]
            reported = behind(*left, *(early[place] for place in parts.for_behind))
        return [value.clone() for value in (*held, *reported)]

    return take


def _mapped(part: fx.GraphModule, *inputs: Tensor) -> fx.GraphModule:
    """Return a part for many steps at once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "There is a performance drop")
        return trace(torch.func.vmap(part), *inputs)
