"""Vectors of numbers: what one instruction of the processor works on at a time.

LLVM does not find the vectors in loops over a state, as the addresses that a gate mixes might
overlap. With these primitives a kernel says what it means: ``load`` a vector, add and multiply,
``store`` it. A first argument called ``like`` is an array, whose type decides how long vectors are.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir

from fedqml.quantum.native.compiler import arithmetic
from fedqml.quantum.native.compiler.translate import primitive
from fedqml.quantum.native.compiler.values import DOUBLE, INTEGER, Array, address, in_memory

# One cache line, and AVX-512's registers. Elsewhere the widest registers have half of it.
WIDTH_BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32


@primitive
def width(builder: Any, like: Any) -> int:
    """Return how many numbers of an array's type a vector has."""
    size: int = like.itemsize
    return WIDTH_BYTES // size


def _load(builder: Any, array: Array, offset: Any, count: int) -> Any:
    vector = ir.VectorType(in_memory(array.dtype), count)
    place = address(builder, array, offset)
    return builder.load(place, typ=vector, align=array.itemsize)


@primitive
def load(builder: Any, array: Array, offset: Any) -> Any:
    """Return the vector that begins at an entry of an array."""
    return _load(builder, array, offset, width(builder, array))


@primitive
def load_pair(builder: Any, array: Array, offset: Any) -> Any:
    """Return the two vectors that begin at an entry of an array as one."""
    return _load(builder, array, offset, 2 * width(builder, array))


@primitive
def doubles(builder: Any, like: Any, array: Array, offset: Any) -> Any:
    """Return as many numbers as a vector has, from an entry of an array on, as float64."""
    return _cast(builder, _load(builder, array, offset, width(builder, like)), DOUBLE)


def _cast(builder: Any, value: Any, kind: Any) -> Any:
    if value.type.element == kind:
        return value
    change = builder.fpext if kind == DOUBLE else builder.fptrunc
    return change(value, ir.VectorType(kind, value.type.count))


@primitive
def store(builder: Any, array: Array, offset: Any, value: Any) -> None:
    """Write a vector to an array, from an entry on."""
    value = _cast(builder, value, in_memory(array.dtype))
    builder.store(value, address(builder, array, offset), align=array.itemsize)


@primitive
def accumulate(builder: Any, array: Array, offset: Any, value: Any) -> None:
    """Add a vector to the entries of a float64 array, from one on."""
    before = _load(builder, array, offset, value.type.count)
    store(builder, array, offset, builder.fadd(before, _cast(builder, value, DOUBLE)))


def _everywhere(builder: Any, value: Any, kind: Any, count: int) -> Any:
    vector = ir.VectorType(kind, count)
    nothing = ir.Constant(vector, ir.Undefined)
    one = arithmetic.convert(builder, value, kind)
    first = builder.insert_element(nothing, one, ir.IntType(32)(0))
    places = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, nothing, places)


@primitive
def splat(builder: Any, like: Any, value: Any) -> Any:
    """Return a vector with the same number everywhere."""
    return _everywhere(builder, value, in_memory(like.dtype), width(builder, like))


@primitive
def splat_pair(builder: Any, like: Any, value: Any) -> Any:
    """Return two vectors as one with the same number everywhere."""
    return _everywhere(builder, value, in_memory(like.dtype), 2 * width(builder, like))


@primitive
def double(builder: Any, like: Any, value: Any) -> Any:
    """Return a vector of float64 with the same number everywhere."""
    return _everywhere(builder, value, DOUBLE, width(builder, like))


@primitive
def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ab + c of numbers, rounded once."""
    return builder.fma(*(arithmetic.convert(builder, each, DOUBLE) for each in (a, b, c)))


def series(*coefficients: float) -> Callable[..., Any]:
    """Return the primitive Σ a_k z^k of a number, from the last term to the first by ``fused``."""

    @primitive
    def total(builder: Any, z: Any) -> Any:
        last, *others = reversed(coefficients)
        for each in others:
            last = fused(builder, last, z, each)
        return last

    return total


@primitive
def bits(builder: Any, value: Any) -> Any:
    """Return a float64's bits as an integer."""
    return builder.bitcast(value, INTEGER)


@primitive
def odd(builder: Any, value: Any) -> Any:
    """Return whether an odd number of an integer's bits is 1."""
    return builder.and_(builder.ctpop(arithmetic.convert(builder, value, INTEGER)), INTEGER(1))
