"""Calling the kernels: memory, threads, and chunks of clients."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from fedqml.quantum.native.program import Program
from fedqml.quantum.native.sums import Network
from fedqml.quantum.native.tape import Tape

# More rows are evaluated one chunk after the other, so that memory stays bounded.
_ROWS = 8192
# States up to this size are kept for the gradient. Computing larger ones once more takes less time
# than to get as much memory from the operating system, which fills it with zeros.
_KEPT_BYTES = 1 << 24
# Memory up to this size is not given back between calls.
_RETAINED_BYTES = 1 << 26
# Work, see ``Passes`` and ``Network``, for each thread: some milliseconds, of which handing it to
# another thread, and waiting for it, takes a few tenths.
_WORTH_A_THREAD = 1 << 20

Array = NDArray[Any]


@cache
def available() -> bool:
    """Return whether the kernels can run here, that is, whether Numba is installed.

    Example:
        >>> available() in (True, False)
        True
    """
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def _kernels(tape: Tape) -> tuple[ModuleType, ModuleType]:
    # late, as importing Numba takes as long as importing the rest of this package
    from fedqml.quantum.native import contract, kernels, turns

    return contract if isinstance(tape.method, Network) else kernels, turns


def expectations(
    program: Program,
    x: Float[Tensor, "*clients batch inputs"],
    w: Float[Tensor, "*clients weights"],
    keep: bool,
) -> tuple[Float[Tensor, "*clients batch observables"], Float[Tensor, " kept"]]:
    """Return the expectation values of one or many clients' examples, and what can be used again.

    Args:
        program: the compiled circuit; has tables for the kernels.
        x: its inputs; ([clients], batch, inputs).
        w: its weights; ([clients], weights).
        keep: whether gradients may be asked for.

    Returns:
        Values, ([clients], batch, observables), and what ``gradients`` can take as ``kept``; it
        is empty if that is not wanted or would be too large.
    """
    xs, ws = _stack(x, 3), _stack(w, 2)
    out = np.empty((*xs.shape[:2], len(program.circuit.observables)), dtype=xs.dtype)
    chunks = _chunks(*xs.shape[:2])
    keep = keep and len(chunks) == 1
    kept = torch.empty(0, dtype=x.dtype)
    for part in chunks:
        found = _evaluate(program, xs[part], ws[part], out[part], keep)
        kept = found if keep else kept
    return torch.from_numpy(out if x.ndim == 3 else out[0]), kept


def gradients(
    program: Program,
    x: Float[Tensor, "*clients batch inputs"],
    w: Float[Tensor, "*clients weights"],
    cotangents: Float[Tensor, "*clients batch observables"],
    kept: Float[Tensor, " kept"],
) -> tuple[Float[Tensor, "*clients batch inputs"], Float[Tensor, "*clients weights"]]:
    """Return the gradients Σ_P g_P ∂⟨P⟩ by inputs, and by weights summed over examples.

    Args:
        program: the compiled circuit; has tables for the kernels.
        x: its inputs; ([clients], batch, inputs).
        w: its weights; ([clients], weights).
        cotangents: the g_P; ([clients], batch, observables).
        kept: from ``expectations`` with the same ``x`` and ``w``, or empty; not changed.

    Returns:
        Gradients of the shapes of ``x`` and ``w``.
    """
    xs, ws, seeds = _stack(x, 3), _stack(w, 2), _stack(cotangents, 3)
    into_x, into_w = np.zeros(xs.shape), np.zeros(ws.shape)
    for part in _chunks(*xs.shape[:2]):
        _differentiate(program, xs[part], ws[part], seeds[part], kept, into_x[part], into_w[part])
    found = into_x.astype(xs.dtype, copy=False), into_w.astype(xs.dtype, copy=False)
    by_x, by_w = (torch.from_numpy(a if x.ndim == 3 else a[0]) for a in found)
    return by_x, by_w


def _stack(values: Tensor, dimensions: int) -> Array:
    """Return a tensor as an array, with one client where there is no dimension for clients."""
    array: Array = values.detach().contiguous().numpy()
    return array if array.ndim == dimensions else array[None]


def _rows(values: Array) -> Array:
    return values.reshape(values.shape[0] * values.shape[1], values.shape[2])


def _chunks(clients: int, batch: int) -> list[slice]:
    """Cut the clients so that a chunk has few rows; no chunks if there are no rows at all."""
    if batch == 0:
        return []
    size = max(1, _ROWS // batch)
    return [slice(start, start + size) for start in range(0, clients, size)]


def _evaluate(program: Program, x: Array, w: Array, out: Array, keep: bool) -> Tensor:
    """Write the values; return what was computed on the way, with the states if asked to."""
    tape, columns = _tape(program), program.columns
    kernels, turns = _kernels(tape)
    batch, rows, values = x.shape[1], _rows(x), _rows(out)
    kept = _tables(tape, len(rows), rows.dtype, keep)
    matrices, angles, states = _split(tape, len(rows), kept)

    def work(groups: tuple[int, int]) -> None:
        turns.lay_out(tape.parts, columns, batch, rows, w, groups, matrices, angles)
        memory, own = _memory(tape, rows.dtype, states=0 if len(states) else 1), states
        if len(states) == 0:
            own, memory = _first_state(tape, memory)
        kernels.evaluate(tape.method, groups, matrices, memory, own, values)

    _in_threads(tape, len(rows), rows.dtype, work)
    return kept


def _differentiate(
    program: Program,
    x: Array,
    w: Array,
    cotangents: Array,
    kept: Tensor,
    into_x: Array,
    into_w: Array,
) -> None:
    tape, columns = _tape(program), program.columns
    kernels, turns = _kernels(tape)
    batch, rows, seeds = x.shape[1], _rows(x), _rows(cotangents)
    again = kept.numel() == 0
    if again:
        kept = _tables(tape, len(rows), rows.dtype, states=False)
    matrices, angles, states = _split(tape, len(rows), kept)
    slopes = np.empty((len(rows), len(tape.parts.run_mixed), 3))
    lanes = _lanes(rows.dtype)

    def work(groups: tuple[int, int]) -> None:
        memory = _memory(tape, rows.dtype, states=2)
        if again:
            turns.lay_out(tape.parts, columns, batch, rows, w, groups, matrices, angles)
        if len(states) > 0:
            kernels.differentiate(tape.method, groups, matrices, memory, states, seeds, slopes)
            return
        own, rest = _first_state(tape, memory)
        for group in range(*groups):
            members = slice(group * lanes, (group + 1) * lanes)
            one, into = matrices[group : group + 1], slopes[members]
            kernels.evaluate(tape.method, (0, 1), one, rest, own, np.empty((0, 0), rows.dtype))
            kernels.differentiate(tape.method, (0, 1), one, memory, own, seeds[members], into)

    _in_threads(tape, len(rows), rows.dtype, work)
    turns.collect(tape.parts, columns, batch, rows, w, slopes, angles, _rows(into_x), into_w)


def _tape(program: Program) -> Tape:
    assert program.tape is not None, "only called where the kernels run"
    return program.tape


@cache
def _lanes(dtype: np.dtype[Any]) -> int:
    from fedqml.quantum.native.lanes import WIDTH_BYTES

    return WIDTH_BYTES // dtype.itemsize


def _sizes(tape: Tape, rows: int, dtype: np.dtype[Any]) -> tuple[int, int, int]:
    """Return how many groups the rows are, and how long a group's matrices and turns."""
    lanes = _lanes(dtype)
    parts = tape.parts
    return -(-rows // lanes), 4 * len(parts.run_mixed) * lanes, 2 * len(parts.part_axis) * lanes


def _tables(tape: Tape, rows: int, dtype: np.dtype[Any], states: bool) -> Tensor:
    """Return memory for the rows' matrices and turns, and for their states if that is not much."""
    groups, matrices, turns = _sizes(tape, rows, dtype)
    state = _lanes(dtype) * tape.method.size
    if not states or groups * state * dtype.itemsize > _KEPT_BYTES:
        state = 0
    # PyTorch's memory begins with a cache line, as a vector should; NumPy's does not
    precision = torch.float64 if dtype.itemsize == 8 else torch.float32
    return torch.empty(groups * (matrices + turns + state), dtype=precision)


def _split(tape: Tape, rows: int, tables: Tensor) -> tuple[Array, Array, Array]:
    """Return matrices, turns and states, a row for each group; there may be no states."""
    flat = tables.detach().numpy()
    groups, matrices, turns = _sizes(tape, rows, flat.dtype)
    behind, end = groups * matrices, groups * (matrices + turns)
    shape = (groups, (len(flat) - end) // groups) if len(flat) > end else (0, 0)
    return (
        flat[:behind].reshape(groups, matrices),
        flat[behind:end].reshape(groups, turns),
        flat[end:].reshape(shape),
    )


_own = threading.local()


def _memory(tape: Tape, dtype: np.dtype[Any], states: int) -> Array:
    """Return this thread's memory for states, a block of each, and cotangents.

    Memory that is not large serves the next call, too: the operating system fills new memory with
    zeros, which takes as long as several gates.
    """
    method = tape.method
    numbers = states * method.size + max(1, states) * method.extra + method.observables
    size = numbers * _lanes(dtype) * dtype.itemsize
    memory: Array | None = getattr(_own, "memory", None)
    if memory is None or len(memory) < size:
        _own.memory = memory = None  # or there would be both for a moment
        memory = torch.empty(size, dtype=torch.uint8).numpy()
        if size <= _RETAINED_BYTES:
            _own.memory = memory
    return memory[:size].view(dtype)


def _first_state(tape: Tape, memory: Array) -> tuple[Array, Array]:
    """Return the state that memory begins with, as a row, and the memory behind it."""
    size = _lanes(memory.dtype) * tape.method.size
    return memory[None, :size], memory[size:]


def _in_threads(
    tape: Tape, rows: int, dtype: np.dtype[Any], work: Callable[[tuple[int, int]], None]
) -> None:
    """Do the groups of rows in as many threads as PyTorch may use, if there is much to do."""
    groups = -(-rows // _lanes(dtype))
    effort = groups * tape.method.work
    threads = max(1, min(torch.get_num_threads(), groups, effort // _WORTH_A_THREAD))
    if threads == 1:
        work((0, groups))
        return
    cuts = [groups * number // threads for number in range(threads + 1)]
    own, *others = pairwise(cuts)
    waiting = [_pool(threads - 1).submit(work, part) for part in others]
    work(own)
    for part in waiting:
        part.result()  # raises what the thread raised


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    # to start threads for every call would take longer than many a call
    return ThreadPoolExecutor(threads, thread_name_prefix="fedqml")


if hasattr(os, "register_at_fork"):
    # a forked process has the pool, but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
