"""A call of the kernels but for its numbers: what they read, and how much memory they take."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedqml.quantum.native.pack import Sizes, pack
from fedqml.quantum.native.program import Program
from fedqml.quantum.native.tape import Passes

# A client's examples are in groups of their own from this many on: with fewer, vectors would have
# many lanes left. The number is the same on all machines, as the order of sums depends on it.
_ALIGNED = 16
# States up to this size are kept for the gradient. Computing larger ones once more takes less time
# than to get as much memory from the operating system, which fills it with zeros.
_KEPT_BYTES = 1 << 24

_NUMPY: dict[torch.dtype, Any] = {torch.float32: np.float32, torch.float64: np.float64}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A call of the kernels but for its numbers.

    A block is what the kernels do at once, a pair of groups of examples or a single one. What is
    kept are the tables of clients, then those of blocks, each with its states if these are small.

    Args:
        clients: how many.
        like: an array of the numbers' type.
        loops: has the kernels ``evaluate`` and ``differentiate``.
        packed: what they read, by its address.
        tables: what that has the addresses of.
        blocks: how many.
        shared: the tables of clients, in numbers; likewise the following two.
        short: the tables of a block.
        long: the same with its states, if those of all blocks are kept.
        slopes: the slopes of all groups, bytes.
        scratch: what a thread needs for states, a block of each, and cotangents, bytes.
        work: how long it takes, see ``Passes`` and ``Network``.
    """

    clients: int
    like: NDArray[Any]
    loops: Any
    packed: NDArray[np.int64]
    tables: tuple[NDArray[Any], ...]
    blocks: int
    shared: int
    short: int
    long: int
    slopes: int
    scratch: int
    work: int

    @cached_property
    def evaluate(self) -> Callable[..., None]:
        """The kernel of this name, given its first argument; compiled when it is first used."""
        return self._bound(self.loops.evaluate)

    @cached_property
    def differentiate(self) -> Callable[..., None]:
        """Likewise."""
        return self._bound(self.loops.differentiate)

    @cached_property
    def collect(self) -> Callable[..., None]:
        """Likewise."""
        from fedqml.quantum.native import collect

        return self._bound(collect.collect)

    def _bound(self, kernel: Any) -> Callable[..., None]:
        return partial(kernel(self.like), self.packed.ctypes.data)


def prepare(program: Program, clients: int, batch: int, dtype: torch.dtype) -> Prepared:
    """Prepare calls for as many clients with as many examples each.

    Args:
        program: the compiled circuit; has tables for the kernels.
        clients: at least one.
        batch: at least one.
        dtype: of the numbers.
    """
    assert program.tape is not None, "only called where the kernels run"
    assert program.columns is not None, "likewise"
    # late, as LLVM is large
    from fedqml.quantum.native import contract, kernels
    from fedqml.quantum.native.compiler.lanes import WIDTH_BYTES

    (parts, method), columns = program.tape, program.columns
    like: NDArray[Any] = np.empty((0,), dtype=_NUMPY[dtype])
    leaves: NDArray[Any] = np.empty((0, 3), dtype=np.int64)
    lanes, rows, count = WIDTH_BYTES // like.itemsize, clients * batch, len(columns.columns) - 1
    aligned, mixed = batch >= _ALIGNED, columns.mixed
    if aligned:
        groups, client_groups = clients * -(-batch // lanes), -(-clients // lanes)
    else:
        parts, mixed = parts.all_mixed(), count
        groups, client_groups = -(-rows // lanes), 0
    own = parts.runs["mixed"] == 0
    if isinstance(method, Passes):
        loops: Any = kernels
        span, qubits, slots = 1, method.qubits, np.flatnonzero(own[:-1])
    else:
        loops = contract
        span, qubits, leaves = contract.SPAN, 0, method.leaves
        slots = np.flatnonzero(own[leaves[:, 0]])
    runs, angles, arguments = len(parts.runs) - 1, len(parts.turns), len(columns.arguments)
    shared_leaves = len(slots) if len(leaves) else 0
    # at least as much as the kernels take of it
    vectors = 6 + 4 * arguments + 2 * (count + 1) + program.inputs + angles + 3 * runs + len(leaves)
    sums = 3 * runs + len(leaves) + count + 1 + arguments
    work = (vectors + method.observables) * lanes + 16 * sums + program.weights
    sizes = Sizes(
        rows=rows,
        inputs=program.inputs,
        clients=clients,
        weights=program.weights,
        batch=batch,
        aligned=int(aligned),
        groups=groups,
        client_groups=client_groups,
        mixed_turns=parts.mixed_turns,
        mixed=mixed,
        reached=mixed if parts.reach <= mixed else count,
        observables=method.observables,
        qubits=qubits,
        span=span,
        work=work,
    )
    tables = (*parts[:4], *columns[:2], slots, leaves, *method[1:])
    packed = pack(sizes, tables)
    blocks, table = -(-groups // span), (4 * runs + 2 * angles) * lanes
    state = span * method.size * lanes
    small = blocks * state * like.itemsize <= _KEPT_BYTES
    numbers = (2 * span * (method.size + method.extra) + method.observables) * lanes
    return Prepared(
        clients=clients,
        like=like,
        loops=loops,
        packed=packed,
        tables=tables,
        blocks=blocks,
        shared=client_groups * (table + len(leaves) * lanes),
        short=span * table,
        long=span * table + (state if small else 0),
        slopes=8 * groups * (3 * runs + shared_leaves) * lanes,
        scratch=8 * work + numbers * like.itemsize,
        work=groups * method.work,
    )
