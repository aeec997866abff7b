"""Calling the kernels: memory, threads, and chunks of clients."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from fedqml.quantum.native.program import Program
from fedqml.quantum.native.tape import Passes

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
_NOTHING = torch.empty((0, 0))
# PyTorch's memory begins with a cache line, as a vector should; NumPy's does not
_PRECISIONS = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}


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


def expectations(
    program: Program,
    x: Float[Tensor, "*clients batch inputs"],
    w: Float[Tensor, "*clients weights"],
    keep: bool,
) -> tuple[Float[Tensor, "*clients batch observables"], Float[Tensor, "groups kept"]]:
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
    rows, weights, batch = _flat(x), _flat(w), x.shape[-2]
    out = np.empty((len(rows), len(program.circuit.observables)), dtype=rows.dtype)
    parts = _parts(len(weights), batch)
    keep = keep and len(parts) == 1
    kept = _NOTHING
    for some, own in parts:
        found = _evaluate(program, batch, rows[some], weights[own], out[some], keep)
        kept = found if keep else kept
    return torch.from_numpy(out if x.ndim == 2 else out.reshape(*x.shape[:2], out.shape[1])), kept


def gradients(
    program: Program,
    x: Float[Tensor, "*clients batch inputs"],
    w: Float[Tensor, "*clients weights"],
    cotangents: Float[Tensor, "*clients batch observables"],
    kept: Float[Tensor, "groups kept"],
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
    rows, weights, seeds, batch = _flat(x), _flat(w), _flat(cotangents), x.shape[-2]
    by_x, by_w = np.empty_like(rows), np.empty_like(weights)
    for some, own in _parts(len(weights), batch):
        into = by_x[some], by_w[own]
        _differentiate(program, batch, rows[some], weights[own], seeds[some], kept, *into)
    if batch == 0:
        by_w.fill(0.0)
    if x.ndim == 2:
        return torch.from_numpy(by_x), torch.from_numpy(by_w[0])
    return torch.from_numpy(by_x.reshape(x.shape)), torch.from_numpy(by_w)


def _flat(values: Tensor) -> Array:
    """Return a tensor as rows."""
    array: Array = values.contiguous().numpy(force=True)
    if array.ndim == 3:
        return array.reshape(array.shape[0] * array.shape[1], array.shape[2])
    return array if array.ndim == 2 else array[None]


_ALL = slice(None)


def _parts(clients: int, batch: int) -> list[tuple[slice, slice]]:
    """Cut rows and clients so that a part has few rows; no parts if there are no rows at all."""
    if batch == 0 or clients == 0:
        return []
    if clients * batch <= _ROWS:
        return [(_ALL, _ALL)]
    size = max(1, _ROWS // batch)
    starts = range(0, clients, size)
    return [(slice(k * batch, (k + size) * batch), slice(k, k + size)) for k in starts]


def _evaluate(program: Program, batch: int, x: Array, w: Array, out: Array, keep: bool) -> Tensor:
    """Write the values; return what was computed on the way, with the states if asked to."""
    call = _prepared(program, len(x), batch, x.dtype)
    kept = torch.empty(call.groups, call.kept if keep else call.tables, dtype=call.precision)
    tables = kept.numpy()

    def work(groups: tuple[int, int]) -> None:
        memory = _memory(call.scratch, x.dtype)
        call.lay_out(x, w, groups, tables)
        call.evaluate(groups, tables, call.tables, memory, out)

    _in_threads(call, work)
    return kept


def _differentiate(
    program: Program,
    batch: int,
    x: Array,
    w: Array,
    cotangents: Array,
    kept: Tensor,
    into_x: Array,
    into_w: Array,
) -> None:
    call = _prepared(program, len(x), batch, x.dtype)
    behind, again = call.tables, kept.numel() == 0
    if again:
        kept = torch.empty(call.groups, behind, dtype=call.precision)
    tables = kept.numpy()
    slopes = np.empty((call.groups, call.slopes))

    def work(groups: tuple[int, int]) -> None:
        memory = _memory(call.scratch, x.dtype)
        if again:
            call.lay_out(x, w, groups, tables)
        if tables.shape[1] > behind:
            call.differentiate(groups, tables, behind, memory, cotangents, slopes)
            return
        nothing = np.empty((0, 0), x.dtype)
        for group in range(*groups):
            one = group, group + 1
            call.evaluate(one, tables, behind, memory, nothing)
            call.differentiate(one, tables, behind, memory, cotangents, slopes)

    _in_threads(call, work)
    call.collect(x, w, slopes, tables, into_x, into_w)


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A call of the kernels but for its numbers: their tables, and how much memory it takes.

    Args:
        lay_out: the kernel of this name, given its first arguments; likewise the next three.
        evaluate: likewise.
        differentiate: likewise.
        collect: likewise.
        precision: PyTorch's name for the type of the numbers, in which the rest is counted.
        groups: how many groups of as many examples as a vector has lanes.
        tables: a group's quaternions and turns.
        kept: the same with a group's state, if those of all groups are kept for the gradient.
        slopes: a group's slopes.
        scratch: what a thread needs for states, a block of each, and cotangents.
        work: how long it takes, see ``Passes`` and ``Network``.
    """

    lay_out: Callable[..., None]
    evaluate: Callable[..., None]
    differentiate: Callable[..., None]
    collect: Callable[..., None]
    precision: torch.dtype
    groups: int
    tables: int
    kept: int
    slopes: int
    scratch: int
    work: int


@lru_cache(maxsize=256)
def _prepared(program: Program, rows: int, batch: int, dtype: np.dtype[Any]) -> _Prepared:
    assert program.tape is not None, "only called where the kernels run"
    assert program.columns is not None, "likewise"
    # late, as importing Numba takes as long as importing the rest of this package
    from fedqml.quantum.native import contract, kernels, turns
    from fedqml.quantum.native.lanes import WIDTH_BYTES

    (parts, method), columns = program.tape, program.columns
    loops = kernels if isinstance(method, Passes) else contract
    lanes = WIDTH_BYTES // dtype.itemsize
    groups, runs = -(-rows // lanes), len(parts.runs) - 1
    tables, state = (4 * runs + 2 * len(parts.turns)) * lanes, method.size * lanes
    return _Prepared(
        lay_out=partial(turns.lay_out, *parts, *columns, batch),
        evaluate=partial(loops.evaluate, *method),
        differentiate=partial(loops.differentiate, *method),
        collect=partial(turns.collect, *parts[:4], *columns[:2], batch),
        precision=_PRECISIONS[dtype],
        groups=groups,
        tables=tables,
        kept=tables + (state if groups * state * dtype.itemsize <= _KEPT_BYTES else 0),
        slopes=3 * runs * lanes,
        scratch=(2 * method.size + 2 * method.extra + method.observables) * lanes,
        work=groups * method.work,
    )


_own = threading.local()


def _memory(numbers: int, dtype: np.dtype[Any]) -> Array:
    """Return this thread's memory.

    Memory that is not large serves the next call, too: the operating system fills new memory with
    zeros, which takes as long as several gates.
    """
    size = numbers * dtype.itemsize
    memory: Array | None = getattr(_own, "memory", None)
    if memory is None or len(memory) < size:
        _own.memory = memory = None  # or there would be both for a moment
        memory = torch.empty(size, dtype=torch.uint8).numpy()
        if size <= _RETAINED_BYTES:
            _own.memory = memory
    return memory[:size].view(dtype)


def _in_threads(call: _Prepared, work: Callable[[tuple[int, int]], None]) -> None:
    """Do the groups of rows in as many threads as PyTorch may use, if there is much to do."""
    groups, worth = call.groups, call.work // _WORTH_A_THREAD
    threads = min(torch.get_num_threads(), groups, worth) if worth > 1 else 1
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
