"""Calling the kernels: memory, threads, and chunks of clients."""

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

from fedqml.quantum.native.tape import BLOCK, WHOLE, Tape

# More rows are evaluated one chunk after the other, so that memory stays bounded.
_ROWS = 8192
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
    tape: Tape, x: Float[Tensor, "clients batch columns"], w: Float[Tensor, "clients angles"]
) -> Float[Tensor, "clients batch observables"]:
    """Return the expectation values of every client's examples.

    Args:
        tape: the circuit.
        x: its inputs; (clients, batch, columns).
        w: its weights; (clients, columns).

    Returns:
        (clients, batch, observables).
    """
    clients, batch, _ = x.shape
    out = torch.empty(clients, batch, len(tape.word_flip), dtype=x.dtype)
    for part in _chunks(clients, batch):
        _evaluate(tape, x[part], w[part], out[part])
    return out


def gradients(
    tape: Tape,
    x: Float[Tensor, "clients batch columns"],
    w: Float[Tensor, "clients angles"],
    cotangents: Float[Tensor, "clients batch observables"],
) -> tuple[Float[Tensor, "clients batch columns"], Float[Tensor, "clients angles"]]:
    """Return the gradients Σ_P g_P ∂⟨P⟩ by inputs, and by weights summed over examples.

    Args:
        tape: the circuit.
        x: its inputs; (clients, batch, columns).
        w: its weights; (clients, columns).
        cotangents: the g_P; (clients, batch, observables).

    Returns:
        Gradients of the shapes of ``x`` and ``w``.
    """
    clients, batch, _ = x.shape
    into_x = torch.zeros(x.shape, dtype=torch.float64)
    into_w = torch.zeros(w.shape, dtype=torch.float64)
    for part in _chunks(clients, batch):
        _differentiate(tape, x[part], w[part], cotangents[part], into_x[part], into_w[part])
    return into_x.to(x.dtype), into_w.to(w.dtype)


def _chunks(clients: int, batch: int) -> list[slice]:
    """Cut the clients so that a chunk has few rows; no chunks if there are no rows at all."""
    if batch == 0:
        return []
    size = max(1, _ROWS // batch)
    return [slice(start, start + size) for start in range(0, clients, size)]


def _evaluate(tape: Tape, x: Tensor, w: Tensor, out: Tensor) -> None:
    kernels, _ = _kernels()
    batch, rows = x.shape[1], _rows(x)
    _, shared, _, own = _prepared(tape, batch, rows, _numpy(w))

    def work(groups: tuple[int, int]) -> None:
        memory = _scratch(tape, x.dtype, states=1)
        values = np.empty(len(tape.word_flip) * _lanes(x.dtype))
        kernels.evaluate(tape, batch, shared, own, groups, memory, values, _rows(out))

    _in_threads(tape, len(rows), _lanes(x.dtype), work)


def _differentiate(
    tape: Tape, x: Tensor, w: Tensor, cotangents: Tensor, into_x: Tensor, into_w: Tensor
) -> None:
    kernels, turns = _kernels()
    batch, rows, seeds = x.shape[1], _rows(x), _rows(cotangents)
    shared_turns, shared, own_turns, own = _prepared(tape, batch, rows, _numpy(w))
    runs = len(tape.run_mixed)
    slopes = np.empty((len(rows), runs, 3))

    def work(groups: tuple[int, int]) -> None:
        lanes = _lanes(x.dtype)
        memory = (*_scratch(tape, x.dtype, states=2), _memory(seeds.shape[1] * lanes, x.dtype))
        sums = _memory(3 * runs * lanes, torch.float64)
        kernels.differentiate(tape, batch, shared, own, groups, memory, sums, seeds, slopes)

    _in_threads(tape, len(rows), _lanes(x.dtype), work)
    turns.collect(tape, batch, slopes, shared_turns, own_turns, _rows(into_x), into_w.numpy())


def _prepared(tape: Tape, batch: int, x: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    _, turns = _kernels()
    parts, mixed = len(tape.part_axis), int(tape.run_mixed.sum())
    shared_turns = np.empty((len(w), parts, 2))
    shared = np.empty((len(w), len(tape.run_mixed) - mixed, 4))
    own_turns = np.empty((len(x), parts, 2))
    own = np.empty((len(x), mixed, 4))
    turns.prepare(tape, batch, x, w, shared_turns, shared, own_turns, own)
    return shared_turns, shared, own_turns, own


def _numpy(values: Tensor) -> Array:
    return values.detach().contiguous().numpy()


def _rows(values: Tensor) -> Array:
    return _numpy(values.flatten(0, 1))


@cache
def _lanes(dtype: torch.dtype) -> int:
    from fedqml.quantum.native.lanes import WIDTH_BYTES

    return WIDTH_BYTES // dtype.itemsize


def _memory(size: int, dtype: torch.dtype) -> Array:
    return torch.empty(size, dtype=dtype).numpy()  # aligned to cache lines, as NumPy's is not


def _scratch(tape: Tape, dtype: torch.dtype, states: int) -> tuple[Array, ...]:
    """Return memory for the matrices and, for each state, the whole of it and a block."""
    lanes = _lanes(dtype)
    block = 0 if tape.qubits <= WHOLE else 2 << BLOCK
    sizes = [4 * len(tape.run_mixed), *(2 << tape.qubits, block) * states]
    return tuple(_memory(size * lanes, dtype) for size in sizes)


def _in_threads(tape: Tape, rows: int, lanes: int, work: Callable[[tuple[int, int]], None]) -> None:
    """Do the groups of rows in as many threads as PyTorch may use, if there is much to do."""
    groups = -(-rows // lanes)
    effort = groups * len(tape.run_mixed) << tape.qubits
    threads = max(1, min(torch.get_num_threads(), groups, effort // _WORTH_A_THREAD))
    if threads == 1:
        work((0, groups))
        return
    cuts = [groups * number // threads for number in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, pairwise(cuts)))  # the list raises what a thread raised
