"""What names and expressions of a kernel stand for while it is compiled.

Either a number that the kernel will have: one of LLVM's values, an integer of 64 bits, a bit that
is true or false, a float of 32 or 64 bits, or a vector of floats. Or an array of them in memory, an
entry of an array of records, or a tuple of such things. All else is Python's own and known before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir

INTEGER, TRUTH, SINGLE, DOUBLE = ir.IntType(64), ir.IntType(1), ir.FloatType(), ir.DoubleType()
POINTER, BYTE = ir.PointerType(), ir.IntType(8)


@dataclass(frozen=True, eq=False)
class Array:
    """A contiguous array in memory.

    Args:
        data: where it begins.
        shape: its extents.
        dtype: what its entries are.
    """

    data: Any
    shape: tuple[Any, ...]
    dtype: np.dtype[Any]

    @property
    def itemsize(self) -> int:
        """How many bytes an entry has."""
        return self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class Record:
    """An entry of an array of records.

    Args:
        data: where it lies.
        dtype: what it consists of.
    """

    data: Any
    dtype: np.dtype[Any]


def number(value: Any) -> Any:
    """Return a number of Python's as one of LLVM's, and all else as it is."""
    if isinstance(value, (bool, np.bool_)):
        return TRUTH(int(value))
    if isinstance(value, (int, np.integer)):
        return INTEGER(int(value))
    if isinstance(value, (float, np.floating)):
        return DOUBLE(float(value))
    return value


def leaves(value: Any) -> Iterator[Any]:
    """Yield LLVM's values in something."""
    value = number(value)
    if isinstance(value, ir.Value):
        yield value
    elif isinstance(value, Array):
        yield value.data
        yield from value.shape
    elif isinstance(value, Record):
        yield value.data
    elif isinstance(value, tuple):
        for each in value:
            yield from leaves(each)
    else:
        raise TypeError(f"{value!r} cannot be kept in a variable.")


def rebuild(value: Any, found: Iterator[Any]) -> Any:
    """Return the same thing with other values of LLVM's, those of ``leaves`` in turn."""
    if isinstance(value, Array):
        data = next(found)
        return Array(data, tuple(next(found) for _ in value.shape), value.dtype)
    if isinstance(value, Record):
        return Record(next(found), value.dtype)
    if isinstance(value, tuple):
        parts = [rebuild(each, found) for each in value]
        make: Callable[..., Any] = getattr(value, "_make", tuple)
        return make(parts)
    return next(found)


def in_memory(dtype: "np.dtype[Any]") -> Any:
    """Return the kind of number that entries of an array are in memory."""
    if dtype.kind == "f":
        return SINGLE if dtype.itemsize == 4 else DOUBLE
    assert dtype.kind in "iu", f"{dtype} is no number that kernels know"
    return ir.IntType(8 * dtype.itemsize)


def address(builder: Any, array: Array, offset: Any) -> Any:
    """Return where an entry of a flat array lies."""
    dtype = array.dtype
    kind = ir.ArrayType(BYTE, dtype.itemsize) if dtype.fields else in_memory(dtype)
    return builder.gep(array.data, [number(offset)], inbounds=True, source_etype=kind)
