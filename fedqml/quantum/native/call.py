"""Calling the kernels: memory, threads, and chunks of clients."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import accumulate, pairwise
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from fedqml.quantum.native.tape import BLOCK, WHOLE, Tape

# More rows are evaluated one chunk after the other, so that memory stays bounded.
_ROWS = 8192
# States up to this size are kept for the gradient; larger ones are computed once more.
_KEPT_BYTES = 1 << 28
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
) -> tuple[Float[Tensor, "*clients batch observables"], Float[Tensor, "groups size"]]:
    """Return the expectation values of one or many clients' examples, and their states.

    Args:
        tape: the circuit.
        x: its inputs; ([clients], batch, columns).
        w: its weights; ([clients], columns).

    Returns:
        Values, ([clients], batch, observables), and what ``gradients`` can take as ``states``; it
        is empty if that would be too large.
    """
    xs, ws = _stack(x, 3), _stack(w, 2)
    out = np.empty((*xs.shape[:2], len(tape.word_flip)), dtype=xs.dtype)
    chunks = _chunks(*xs.shape[:2])
    shape = -(-out.shape[0] * out.shape[1] // _lanes(x.dtype)), _lanes(x.dtype) * 2 << tape.qubits
    if len(chunks) != 1 or shape[0] * shape[1] * x.dtype.itemsize > _KEPT_BYTES:
        shape = 0, 0
    states = torch.empty(shape, dtype=x.dtype)
    for part in chunks:
        _evaluate(tape, xs[part], ws[part], states.numpy(), out[part])
    return torch.from_numpy(out if x.ndim == 3 else out[0]), states


def gradients(
    tape: Tape,
    x: Float[Tensor, "*clients batch columns"],
    w: Float[Tensor, "*clients angles"],
    cotangents: Float[Tensor, "*clients batch observables"],
    states: Float[Tensor, "groups size"],
) -> tuple[Float[Tensor, "*clients batch columns"], Float[Tensor, "*clients angles"]]:
    """Return the gradients Σ_P g_P ∂⟨P⟩ by inputs, and by weights summed over examples.

    Args:
        tape: the circuit.
        x: its inputs; ([clients], batch, columns).
        w: its weights; ([clients], columns).
        cotangents: the g_P; ([clients], batch, observables).
        states: from ``expectations`` with the same ``x`` and ``w``, or empty; not changed.

    Returns:
        Gradients of the shapes of ``x`` and ``w``.
    """
    xs, ws, seeds = _stack(x, 3), _stack(w, 2), _stack(cotangents, 3)
    into_x, into_w = np.zeros(xs.shape), np.zeros(ws.shape)
    for part in _chunks(*xs.shape[:2]):
        kept = states.detach().numpy()
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


def _evaluate(tape: Tape, x: Array, w: Array, states: Array, out: Array) -> None:
    kernels, _ = _kernels()
    batch, rows, values = x.shape[1], _rows(x), _rows(out)

    def work(groups: tuple[int, int]) -> None:
        memory = _scratch(tape, x.dtype, states=1)
        kernels.evaluate(tape, batch, rows, w, groups, memory, states, values)

    _in_threads(tape, len(rows), x.dtype, work)


def _differentiate(
    tape: Tape,
    x: Array,
    w: Array,
    cotangents: Array,
    states: Array,
    into_x: Array,
    into_w: Array,
) -> None:
    kernels, angles = _kernels()
    batch, rows, seeds = x.shape[1], _rows(x), _rows(cotangents)
    turns = np.empty((len(rows), len(tape.part_axis), 2))
    slopes = np.empty((len(rows), len(tape.run_mixed), 3))

    def work(groups: tuple[int, int]) -> None:
        memory = _scratch(tape, x.dtype, states=2)
        kernels.differentiate(tape, batch, rows, w, groups, memory, states, seeds, turns, slopes)

    _in_threads(tape, len(rows), x.dtype, work)
    angles.collect(tape, batch, rows, w, slopes, turns, _rows(into_x), into_w)


def _rows(values: Array) -> Array:
    return values.reshape(values.shape[0] * values.shape[1], values.shape[2])


@cache
def _lanes(dtype: np.dtype[Any] | torch.dtype) -> int:
    from fedqml.quantum.native.lanes import WIDTH_BYTES

    return WIDTH_BYTES // dtype.itemsize


def _scratch(tape: Tape, dtype: np.dtype[Any], states: int) -> tuple[Array, ...]:
    """Return memory for matrices, each state with a block of it, and cotangents."""
    block = 0 if tape.qubits <= WHOLE else 2 << BLOCK
    sizes = [4 * len(tape.run_mixed), *(2 << tape.qubits, block) * states, len(tape.word_flip)]
    ends = list(accumulate(size * _lanes(dtype) for size in sizes))
    # PyTorch's memory begins with a cache line, as a vector should; NumPy's does not
    memory = torch.empty(ends[-1] * dtype.itemsize, dtype=torch.uint8).numpy().view(dtype)
    return tuple(memory[start:end] for start, end in pairwise([0, *ends]))


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
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, pairwise(cuts)))  # the list raises what a thread raised
