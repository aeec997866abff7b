"""Calling the kernels: memory, threads, and chunks of clients."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, lru_cache
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.quantum.native.prepared import Prepared, prepare
from fedqml.quantum.native.program import Program

# More rows are evaluated one chunk after the other, so that memory stays bounded.
_ROWS = 8192
# Memory up to this size is not given back between calls.
_RETAINED_BYTES = 1 << 26
# Work, see ``Passes`` and ``Network``, for each thread: some milliseconds, of which handing it to
# another thread, and waiting for it, takes a few tenths.
_WORTH_A_THREAD = 1 << 20

_NOTHING = torch.empty(0, device="cpu")


@cache
def available() -> bool:
    """Return whether the kernels can run here, that is, whether llvmlite is there.

    Example:
        >>> available() in (True, False)
        True
    """
    try:
        import llvmlite.binding  # noqa: F401
    except (ImportError, OSError):  # not installed, or built for another system
        return False
    return True


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
        is without states if these are not wanted or too large, and empty for many rows.

    Raises:
        TypeError: if ``x`` or ``w`` has no memory that the kernels could read.
    """
    x, w = _in_memory(x), _in_memory(w)
    parts, shape = _parts(program, x.shape, x.dtype)
    assert w.shape[-1] == program.weights, "checked by the device"
    out = x.new_empty(shape)
    held, kept = (x, w, out), _NOTHING
    for number, call in enumerate(parts):
        first = number * parts[0].clients
        places = _at(x, first), _at(w, first), _at(out, first)
        kept = _evaluate(call, *places, keep and len(parts) == 1, held)
    return out, kept if len(parts) == 1 else _NOTHING


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
        kept: from ``expectations`` with the same ``x`` and ``w``, or empty. Where it has no
            states, its tables are computed again in place: the same bits.

    Returns:
        Gradients of the shapes of ``x`` and ``w``.

    Raises:
        TypeError: if one of them has no memory that the kernels could read.
    """
    x, w, cotangents = _in_memory(x), _in_memory(w), _in_memory(cotangents)
    parts, shape = _parts(program, x.shape, x.dtype)
    assert cotangents.dtype == x.dtype, "PyTorch converts them"
    assert cotangents.shape == shape, "PyTorch refuses others"
    by_x, by_w = torch.empty_like(x), torch.empty_like(w)
    held = x, w, cotangents, by_x, by_w
    for number, call in enumerate(parts):
        first = number * parts[0].clients
        places = _at(x, first), _at(w, first), _at(cotangents, first)
        _differentiate(call, *places, _at(by_x, first), _at(by_w, first), kept, held)
    return by_x, by_w if parts else by_w.zero_()


def _in_memory(values: Tensor) -> Tensor:
    """Return numbers as they lie one after the other in memory: kernels see its address alone."""
    values = values.contiguous().resolve_neg()
    if values.data_ptr() == 0 and values.numel() > 0:
        raise TypeError(f"{type(values).__name__} has no memory that the kernels could read.")
    return values


def _at(values: Tensor, client: int) -> int:
    """Return the address of a client's part."""
    address = values.data_ptr()
    return address + client * values.stride(0) * values.element_size() if client else address


def _evaluate(
    call: Prepared, x: int, w: int, out: int, keep: bool, held: tuple[Tensor, ...]
) -> Tensor:
    """Write the values; return what was computed on the way, with the states if asked to.

    ``held`` has the tensors whose addresses are given, the inputs first.
    """
    stride, memory = call.long if keep else call.short, _memory(call.scratch)
    kept = held[0].new_empty(call.shared + call.blocks * stride)
    threads, place = _threads(call), kept.data_ptr()
    call.evaluate(
        x, w, place, stride, memory.data_ptr(), out, True, 0, call.blocks if threads == 1 else 0
    )
    if threads > 1:

        def work(first: int, end: int, memory: int) -> None:
            call.evaluate(x, w, place, stride, memory, out, False, first, end)

        _divide(call, threads, memory.data_ptr(), work, (*held, kept))
    return kept


def _differentiate(
    call: Prepared,
    x: int,
    w: int,
    cotangents: int,
    by_x: int,
    by_w: int,
    kept: Tensor,
    held: tuple[Tensor, ...],
) -> None:
    """Write the gradients; ``held`` has the tensors whose addresses are given."""
    memory = _memory(call.slopes + call.scratch)
    slopes = memory.data_ptr()
    free = slopes + call.slopes
    if kept.numel() == 0 and call.long > call.short:
        kept = _evaluate(call, x, w, 0, True, held)
    elif kept.numel() == 0:
        kept = held[0].new_empty(call.shared + call.blocks * call.short)
        call.evaluate(x, w, kept.data_ptr(), call.short, free, 0, True, 0, 0)
    place, (stride, rest) = kept.data_ptr(), divmod(kept.numel() - call.shared, call.blocks)
    assert rest == 0, "kept from as many clients and examples"
    assert stride in (call.short, call.long), "likewise"

    def work(first: int, end: int, memory: int) -> None:
        if stride > call.short:
            call.differentiate(place, stride, memory, slopes, cotangents, first, end)
            return
        for block in range(first, end):  # whose states are in memory
            call.evaluate(x, w, place, stride, memory, 0, False, block, block + 1)
            call.differentiate(place, stride, memory, slopes, cotangents, block, block + 1)

    _divide(call, _threads(call), free, work, (*held, kept, memory))
    call.collect(x, w, place, stride, free, slopes, by_x, by_w)


def _threads(call: Prepared) -> int:
    """Return in how many threads to work: as PyTorch may use, if there is much to do."""
    worth = call.work // _WORTH_A_THREAD
    return min(torch.get_num_threads(), call.blocks, worth) if worth > 1 else 1


def _divide(
    call: Prepared,
    threads: int,
    memory: int,
    work: Callable[[int, int, int], None],
    held: tuple[Tensor, ...],
) -> None:
    """Do all blocks, those of this thread with its memory.

    Threads write to the memory of tensors: they get these to hold, and are waited for even if this
    one is interrupted.
    """
    if threads == 1:
        work(0, call.blocks, memory)
        return

    def other(first: int, end: int, held: tuple[Tensor, ...]) -> None:
        own = _memory(call.scratch)
        work(first, end, own.data_ptr())

    own, *others = pairwise(call.blocks * number // threads for number in range(threads + 1))
    waiting = [_pool(threads - 1).submit(other, *part, held) for part in others]
    try:
        work(*own, memory)
    finally:
        wait(waiting)
    for part in waiting:
        part.result()  # raises what the thread raised


@lru_cache(maxsize=256)
def _parts(
    program: Program, shape: torch.Size, dtype: torch.dtype
) -> tuple[tuple[Prepared, ...], tuple[int, ...]]:
    """Return calls for as many clients each, the last one perhaps for fewer; and the values' shape.

    If there are no rows at all, there are no calls.
    """
    batch, clients = shape[-2], shape[0] if len(shape) == 3 else 1
    size = clients if clients * batch <= _ROWS else max(1, _ROWS // batch)
    assert shape[-1] == program.inputs, "checked by the device"
    calls: tuple[Prepared, ...] = ()
    if batch * clients > 0:
        calls = (prepare(program, size, batch, dtype),) * (clients // size)
        if clients % size:
            calls = (*calls, prepare(program, clients % size, batch, dtype))
    return calls, (*shape[:-1], len(program.circuit.observables))


_own = threading.local()


def _memory(size: int) -> Tensor:
    """Return this thread's memory, so many bytes or more.

    Memory that is not large serves the next call, too: the operating system fills new memory with
    zeros, which takes as long as several gates.
    """
    memory: Tensor | None = getattr(_own, "memory", None)
    if memory is None or memory.numel() < size:  # `len` takes longer
        _own.memory = memory = None  # or there would be both for a moment
        memory = torch.empty(size, dtype=torch.uint8, device="cpu")
        if size <= _RETAINED_BYTES:
            _own.memory = memory
    return memory


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    # to start threads for every call would take longer than many a call
    return ThreadPoolExecutor(threads, thread_name_prefix="fedqml")


if hasattr(os, "register_at_fork"):
    # a forked process has the pool, but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
