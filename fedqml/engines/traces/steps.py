"""Many training steps of the same shape: first as they are, then by a trace of their operations.

A trace costs some tenths of a second and is far quicker to run, so it is taken once a shape has
been trained for as long. It must give the same bits as what it stands for; this is tried on other
weights and batches, and where it fails, or no trace can be taken, nothing changes.
"""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.updates import State
from fedqml.engines.traces.blocks import Batches, Block, block
from fedqml.engines.traces.operations import same, trace
from fedqml.engines.traces.parts import Parts, split
from fedqml.engines.traces.surroundings import Surroundings, draw_extremes, untouched
from fedqml.federated.training import Advance

# Untraced steps that take about as long as a trace does.
WORTH_A_TRACE = 128
# Steps whose work ahead is done at once, and the memory that it may take.
_LONGEST, _BYTES = 32, 1 << 25
# Shapes whose traces are kept.
_SHAPES = 16


class Traced:
    """Takes a stack of clients through steps.

    Args:
        advance: one step of all clients, a function of its arguments: a trace keeps whatever else
            it used, apart from the values of tensors that it reads.
        inside: what it calls, such as model and loss. If calls change what these hold, draw from
            NumPy's global generator or depend on draws from Python's, no trace is taken; if it
            changes between calls of this object, the traces are dropped.
        begin: what each step does first to these, for example set the model to training.
    """

    def __init__(
        self, advance: Advance, inside: tuple[Any, ...], begin: Callable[[], None]
    ) -> None:
        self._advance = advance
        self._inside = inside
        self._begin = begin
        self._shapes: OrderedDict[Any, _Shape] = OrderedDict()
        self._lock = Lock()  # a trace has memory of its own

    def __call__(
        self, params: Float[Tensor, "k d"], state: State, batches: Batches
    ) -> tuple[Float[Tensor, "k d"], State, Float[Tensor, "steps k"], Int[Tensor, "steps k"]]:
        """Return weights and state after all steps, and the loss and size of each batch."""
        with self._lock:
            return self._call(params, state, batches)

    def _call(
        self, params: Tensor, state: State, batches: Batches
    ) -> tuple[Tensor, State, Tensor, Tensor]:
        names = tuple(state)
        tensors = [params, *state.values()]
        sizes = (field.shape[1:] for field in batches)
        key = names, *((t.shape, t.dtype) for t in tensors), *sizes
        if key in self._shapes and self._shapes[key].outdated():
            del self._shapes[key]
        shape = self._shapes.pop(key, None) or _Shape(self._flat(names), self._inside, self._begin)
        self._shapes[key] = shape  # the latest stand last
        if len(self._shapes) > _SHAPES:
            self._shapes.popitem(last=False)
        reports = []
        rest: Batches | None = batches
        while rest is not None:
            now, rest = rest.cut(shape.prepare(tensors, rest))
            *tensors, values, counts = shape.take(tensors, now)
            reports.append((values, counts))
        if len(reports) > 1:
            values, counts = (torch.cat(each) for each in zip(*reports, strict=True))
        return tensors[0], dict(zip(names, tensors[1:], strict=True)), values, counts

    def _flat(self, names: tuple[str, ...]) -> Callable[..., list[Tensor]]:
        """Return a step as a function of tensors."""

        def flat(params: Tensor, *rest: Tensor) -> list[Tensor]:
            *values, rows, mask, key = rest
            state = dict(zip(names, values, strict=True))
            params, state, value, size = self._advance(params, state, rows, mask, key)
            return [params, *(state[name] for name in names), value, size]

        return flat


class _Shape:
    """Steps with tensors of the same shapes."""

    def __init__(
        self,
        step: Callable[..., list[Tensor]],
        inside: tuple[Any, ...],
        begin: Callable[[], None],
    ) -> None:
        self._step = step
        self._inside = inside
        self._begin = begin
        self._surroundings: Surroundings | None = None  # at the first trace
        self._taken = 0
        self._splits: list[Parts] | None = None  # not traced yet; empty if that is in vain
        self._blocks: dict[int, Block] = {}
        self._held: list[Tensor] = []  # memory for weights and state in all blocks

    def outdated(self) -> bool:
        """Return whether something that the traces kept has changed since."""
        if not self._splits or self._surroundings is None or not self._surroundings.changed():
            return False
        self._begin()  # which an evaluation undid, for example
        return self._surroundings.changed()

    def prepare(self, tensors: list[Tensor], batches: Batches) -> int:
        """Return how many of the steps to take next."""
        if self._splits is None and self._taken >= WORTH_A_TRACE:
            self._splits = []
            # the user's code: anything can come
            with suppress(Exception), torch.no_grad(), untouched(*self._inside):
                self._begin()
                self._surroundings = Surroundings(*self._inside)
                step = trace(self._step, *tensors, *(field[0] for field in batches))
                self._splits = [split(step, len(tensors), apart) for apart in (True, False)]
        steps = len(batches.rows)
        if not self._splits:
            return steps
        # Powers of two, so that few traces serve all numbers of steps.
        most = min(steps, _LONGEST, max(1, _BYTES // self._splits[0].bytes))
        return 1 << most.bit_length() - 1

    def take(self, tensors: list[Tensor], batches: Batches) -> list[Tensor]:
        """Take the steps, by a trace if there is one."""
        length = len(batches.rows)
        self._taken += length
        while self._splits and length not in self._blocks:
            with suppress(Exception), torch.no_grad(), untouched(*self._inside):
                self._held = self._held or [tensor.clone() for tensor in tensors]
                made = block(self._splits[0], self._held, batches)
                if self._agrees(made, tensors, batches):
                    self._blocks[length] = made
                    break
            self._splits.pop(0)
            self._blocks.clear()
        if not self._splits:
            return self._untraced(tensors, batches)
        return self._blocks[length](tensors, batches)

    def _untraced(self, tensors: list[Tensor], batches: Batches) -> list[Tensor]:
        reports = []
        for rows, mask, key in zip(*batches, strict=True):
            *tensors, value, size = self._step(*tensors, rows, mask, key)
            reports.append((value, size))
        return [*tensors, *(torch.stack(each) for each in zip(*reports, strict=True))]

    def _agrees(self, made: Block, tensors: list[Tensor], batches: Batches) -> bool:
        """Return whether a trace gives the same bits on these and on other weights and batches."""
        rows, mask, key = batches
        fewer = mask & (torch.arange(mask.shape[-1]) % 2 == 0)
        others = Batches(rows.flip(0, 1, 2), fewer, key ^ 0x123456789ABCDEF)
        draw_extremes(high=False)
        first = self._untraced(tensors, batches)
        if not all(map(same, made(tensors, batches), first)):
            return False
        # What the first call changed may have been done once and for all.
        before, drawn = Surroundings(*self._inside), _drawn()
        draw_extremes(high=True)
        after = first[: len(tensors)]
        second = self._untraced(after, others)
        if before.changed() or _drawn() != drawn:
            return False
        return all(map(same, made(after, others), second))


def _drawn() -> str:
    return repr(np.random.get_state(legacy=False))  # noqa: NPY002
