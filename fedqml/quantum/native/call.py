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

from fedqml.quantum.native.tape import Tape

# More rows are evaluated one chunk after the other, so that memory stays bounded.
_ROWS = 8192
# States up to this size are kept for the gradient; larger ones are computed once more.
_KEPT_BYTES = 1 << 28
# Memory up to this size is not given back between calls.
_RETAINED_BYTES = 1 << 26
# Amplitudes, times runs, below which starting a thread costs more than it saves.
_WORTH_A_THREAD = 1 << 22

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


@cache
def _kernels() -> tuple[ModuleType, ModuleType]:
    # late, as importing Numba takes as long as importing the rest of this package
    from fedqml.quantum.native import kernels, turns

    return kernels, turns


def expectations(
    tape: Tape, x: Float[Tensor, "*clients batch columns"], w: Float[Tensor, "*clients angles"]
) -> tuple[Float[Tensor, "*clients batch observables"], Float[Tensor, " kept"]]:
    """Return the expectation values of one or many clients' examples, and what can be used again.

    Args:
        tape: the circuit.
        x: its inputs; ([clients], batch, columns).
        w: its weights; ([clients], columns).

    Returns:
        Values, ([clients], batch, observables), and what ``gradients`` can take as ``kept``; it
        is empty if that would be too large.
    """
    xs, ws = _stack(x, 3), _stack(w, 2)
    out = np.empty((*xs.shape[:2], len(tape.word_flip)), dtype=xs.dtype)
    chunks = _chunks(*xs.shape[:2])
    kept = torch.empty(0, dtype=x.dtype)
    for part in chunks:
        kept = _evaluate(tape, xs[part], ws[part], out[part], len(chunks) == 1)
    return torch.from_numpy(out if x.ndim == 3 else out[0]), kept if len(chunks) == 1 else kept[:0]


def gradients(
    tape: Tape,
    x: Float[Tensor, "*clients batch columns"],
    w: Float[Tensor, "*clients angles"],
    cotangents: Float[Tensor, "*clients batch observables"],
    kept: Float[Tensor, " kept"],
) -> tuple[Float[Tensor, "*clients batch columns"], Float[Tensor, "*clients angles"]]:
    """Return the gradients Σ_P g_P ∂⟨P⟩ by inputs, and by weights summed over examples.

    Args:
        tape: the circuit.
        x: its inputs; ([clients], batch, columns).
        w: its weights; ([clients], columns).
        cotangents: the g_P; ([clients], batch, observables).
        kept: from ``expectations`` with the same ``x`` and ``w``, or empty; not changed.

    Returns:
        Gradients of the shapes of ``x`` and ``w``.
    """
    xs, ws, seeds = _stack(x, 3), _stack(w, 2), _stack(cotangents, 3)
    into_x, into_w = np.zeros(xs.shape), np.zeros(ws.shape)
    for part in _chunks(*xs.shape[:2]):
        _differentiate(tape, xs[part], ws[part], seeds[part], kept, into_x[part], into_w[part])
    found = into_x.astype(xs.dtype, copy=False), into_w.astype(xs.dtype, copy=False)
    by_x, by_w = (torch.from_numpy(a if x.ndim == 3 else a[0]) for a in found)
    return by_x, by_w


def _stack(values: Tensor, dimensions: int) -> Array:
    """Return a tensor as an array, with one client where there is no dimension for clients."""
    array: Array = values.detach().contiguous().numpy()
    return array if array.ndim == dimensions else array[None]


def _chunks(clients: int, batch: int) -> list[slice]:
    """Cut the clients so that a chunk has few rows; no chunks if there are no rows at all."""
    if batch == 0:
        return []
    size = max(1, _ROWS // batch)
    return [slice(start, start + size) for start in range(0, clients, size)]


def _evaluate(tape: Tape, x: Array, w: Array, out: Array, keep: bool) -> Tensor:
    """Write the values, and return what was computed on the way, with the states if asked to."""
    kernels, angles = _kernels()
    batch, rows, values = x.shape[1], _rows(x), _rows(out)
    kept = _tables(tape, len(rows), rows.dtype, keep)
    matrices, turns, states = _split(tape, len(rows), kept)

    def work(groups: tuple[int, int]) -> None:
        memory = _scratch(tape, rows.dtype, states=1 - bool(len(states)))
        angles.lay_out(tape, batch, rows, w, groups, matrices, turns)
        kernels.evaluate(tape, groups, matrices, memory, states, values)

    _in_threads(tape, len(rows), rows.dtype, work)
    return kept


def _differentiate(
    tape: Tape, x: Array, w: Array, cotangents: Array, kept: Tensor, into_x: Array, into_w: Array
) -> None:
    kernels, angles = _kernels()
    batch, rows, seeds = x.shape[1], _rows(x), _rows(cotangents)
    again = kept.numel() == 0
    if again:
        kept = _tables(tape, len(rows), rows.dtype, False)
    matrices, turns, states = _split(tape, len(rows), kept)
    slopes = np.empty((len(rows), len(tape.run_mixed), 3))

    def work(groups: tuple[int, int]) -> None:
        memory = _scratch(tape, rows.dtype, states=2)
        if again:
            angles.lay_out(tape, batch, rows, w, groups, matrices, turns)
        kernels.differentiate(tape, groups, matrices, memory, states, seeds, slopes)

    _in_threads(tape, len(rows), rows.dtype, work)
    angles.collect(tape, batch, rows, w, slopes, turns, _rows(into_x), into_w)


def _rows(values: Array) -> Array:
    return values.reshape(values.shape[0] * values.shape[1], values.shape[2])


@cache
def _lanes(dtype: np.dtype[Any] | torch.dtype) -> int:
    from fedqml.quantum.native.lanes import WIDTH_BYTES

    return WIDTH_BYTES // dtype.itemsize


def _table_sizes(tape: Tape, rows: int, dtype: np.dtype[Any]) -> tuple[int, int, int]:
    """Return how many numbers the rows' matrices, turns and states are."""
    lanes = _lanes(dtype)
    padded = -(-rows // lanes) * lanes
    return (
        4 * len(tape.run_mixed) * padded,
        2 * len(tape.part_axis) * padded,
        padded * 2 << tape.qubits,
    )


def _tables(tape: Tape, rows: int, dtype: np.dtype[Any], states: bool) -> Tensor:
    """Return memory for the rows' matrices and turns, and for their states if that is not much."""
    matrices, turns, amplitudes = _table_sizes(tape, rows, dtype)
    if not states or amplitudes * dtype.itemsize > _KEPT_BYTES:
        amplitudes = 0
    # PyTorch's memory begins with a cache line, as a vector should; NumPy's does not
    return torch.empty(matrices + turns + amplitudes, dtype=_TORCH[dtype.itemsize])


_TORCH = {4: torch.float32, 8: torch.float64}


def _split(tape: Tape, rows: int, tables: Tensor) -> tuple[Array, Array, Array]:
    """Return matrices, turns and states, a row for each group; states may have no rows."""
    flat = tables.detach().numpy()
    matrices, turns, _ = _table_sizes(tape, rows, flat.dtype)
    groups = -(-rows // _lanes(flat.dtype))
    states = flat[matrices + turns :]
    return (
        flat[:matrices].reshape(groups, -1),
        flat[matrices : matrices + turns].reshape(groups, turns // groups),
        states.reshape(groups if states.size else 0, 2 * _lanes(flat.dtype) << tape.qubits),
    )


_memory = threading.local()


def _scratch(tape: Tape, dtype: np.dtype[Any], states: int) -> Array:
    """Return this thread's memory for states, a block of each, and cotangents.

    Small memory is used again by the next call: new memory has to be filled with zeros by the
    operating system, which takes as long as a few gates.
    """
    block = 0 if tape.pass_blocks.shape[1] == 1 else 4 * tape.run_pairs.shape[1]
    numbers = states * (2 << tape.qubits) + max(1, states) * block + len(tape.word_flip)
    size = numbers * _lanes(dtype) * dtype.itemsize
    memory: Array | None = getattr(_memory, "bytes", None)
    if memory is None or memory.size < size:
        memory = torch.empty(size, dtype=torch.uint8).numpy()
        if size <= _RETAINED_BYTES:
            _memory.bytes = memory
    return memory[:size].view(dtype)


def _in_threads(
    tape: Tape, rows: int, dtype: np.dtype[Any], work: Callable[[tuple[int, int]], None]
) -> None:
    """Do the groups of rows in as many threads as PyTorch may use, if there is much to do."""
    groups = -(-rows // _lanes(dtype))
    effort = groups * len(tape.run_mixed) << tape.qubits
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
    # to start threads anew for every call would take longer than many calls
    return ThreadPoolExecutor(threads, thread_name_prefix="fedqml")


# a forked process has the pool, but not its threads
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
