"""Vectors of numbers for Numba: what one instruction of the processor works on at a time.

Numba leaves it to LLVM to find loops that can be vectorised; it does not find those of a state
vector, as the addresses that a gate mixes might overlap. With these types a kernel says what it
means: ``load`` a vector, add and multiply, ``store`` it.
"""

import operator
from typing import Any, no_type_check

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

# One cache line, and AVX-512's registers. Elsewhere the widest registers have half of it.
WIDTH_BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32
# A product and a sum may be rounded once instead of twice; nothing is ever reordered.
_FUSED = ("contract",)


class Lanes(types.Type):
    """The type of a vector.

    Args:
        element: Numba's type of its numbers.
        like: the type whose numbers fill a register, as many as it has; by default the same.
        times: how many registers it fills.
    """

    def __init__(self, element: Any, like: Any = None, times: int = 1) -> None:
        self.element = element
        self.count = times * WIDTH_BYTES * 8 // (like or element).bitwidth
        super().__init__(name=f"Lanes({element}, {self.count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Any) -> None:
        element = manager.lookup(lanes.element).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(element, lanes.count))


@no_type_check
def _pointer(context, builder, array_type, array, offset, vector):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


@intrinsic
@no_type_check
def width(typing_context, array):
    """Return how many numbers of an array's type a vector has."""
    count = Lanes(array.dtype).count

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.intp, count)

    return types.intp(array), generate


@no_type_check
def _load(lanes, array):
    def generate(context, builder, signature, arguments):
        vector = context.get_value_type(lanes)
        pointer = _pointer(context, builder, signature.args[0], *arguments, vector)
        return builder.load(pointer, align=lanes.element.bitwidth // 8)

    return lanes(array, types.intp), generate


@intrinsic
@no_type_check
def load(typing_context, array, offset):
    """Return the vector that begins at an entry of an array."""
    return _load(Lanes(array.dtype), array)


@intrinsic
@no_type_check
def load_pair(typing_context, array, offset):
    """Return the two vectors that begin at an entry of an array as one."""
    return _load(Lanes(array.dtype, times=2), array)


@intrinsic
@no_type_check
def doubles(typing_context, like, array, offset):
    """Return the numbers that begin at an entry of an array as float64.

    They are as many as a vector of the first array has.
    """
    lanes = Lanes(types.float64, like.dtype)

    def generate(context, builder, signature, arguments):
        element = signature.args[1].dtype
        vector = context.get_value_type(Lanes(element, like.dtype))
        pointer = _pointer(context, builder, signature.args[1], *arguments[1:], vector)
        value = builder.load(pointer, align=element.bitwidth // 8)
        if element == types.float64:
            return value
        return builder.fpext(value, context.get_value_type(lanes))

    return lanes(like, array, types.intp), generate


@intrinsic
@no_type_check
def store(typing_context, array, offset, value):
    """Write a vector to an array, from an entry on."""

    def generate(context, builder, signature, arguments):
        array, _, lanes = signature.args
        vector = ir.VectorType(context.get_value_type(array.dtype), lanes.count)
        pointer = _pointer(context, builder, array, *arguments[:2], vector)
        value = arguments[2]
        if array.dtype != lanes.element:
            value = builder.fptrunc(value, vector)
        builder.store(value, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@intrinsic
@no_type_check
def accumulate(typing_context, array, offset, value):
    """Add a vector to the entries of a float64 array, from one on."""

    def generate(context, builder, signature, arguments):
        lanes = signature.args[2]
        vector = ir.VectorType(ir.DoubleType(), lanes.count)
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2], vector)
        addend = arguments[2]
        if lanes.element != types.float64:
            addend = builder.fpext(addend, vector)
        total = builder.fadd(builder.load(pointer, align=8), addend)
        builder.store(total, pointer, align=8)
        return context.get_dummy_value()

    return types.none(array, types.intp, value), generate


@no_type_check
def _everywhere(context, builder, lanes, number):
    vector = context.get_value_type(lanes)
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), [0] * lanes.count)
    return builder.shuffle_vector(first, nothing, everywhere)


@no_type_check
def _splat(lanes, array, value):
    def generate(context, builder, signature, arguments):
        number = context.cast(builder, arguments[1], signature.args[1], lanes.element)
        return _everywhere(context, builder, lanes, number)

    return lanes(array, value), generate


@intrinsic
@no_type_check
def splat(typing_context, array, value):
    """Return a vector of an array's type with the same number everywhere."""
    return _splat(Lanes(array.dtype), array, value)


@intrinsic
@no_type_check
def splat_pair(typing_context, array, value):
    """Return two vectors as one with the same number everywhere."""
    return _splat(Lanes(array.dtype, times=2), array, value)


@intrinsic
@no_type_check
def double(typing_context, like, value):
    """Return a vector of float64, as long as one of an array, with the same number everywhere."""
    lanes = Lanes(types.float64, like.dtype)

    def generate(context, builder, signature, arguments):
        number = context.cast(builder, arguments[1], signature.args[1], types.float64)
        return _everywhere(context, builder, lanes, number)

    return lanes(like, value), generate


@intrinsic
@no_type_check
def fused(typing_context, a, b, c):
    """Return ab + c of numbers, rounded once."""

    def generate(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@no_type_check
def series(*coefficients):
    """Return the function Σ a_k z^k of a number, from the last term to the first by ``fused``."""

    @intrinsic
    def total(typing_context, z):
        def generate(context, builder, signature, arguments):
            last, *others = [ir.Constant(ir.DoubleType(), a) for a in reversed(coefficients)]
            for each in others:
                last = builder.fma(last, arguments[0], each)
            return last

        return types.float64(types.float64), generate

    return total


@intrinsic
@no_type_check
def bits(typing_context, number):
    """Return a number's bits as an integer."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
@no_type_check
def odd(typing_context, bits):
    """Return whether an odd number of an integer's bits is 1."""

    def generate(context, builder, signature, arguments):
        count = builder.ctpop(arguments[0])
        return builder.and_(count, ir.Constant(count.type, 1))

    return types.intp(types.intp), generate


@no_type_check
def _binary(operation, instruction):
    @infer_global(operation)
    class _Template(AbstractTemplate):
        def generic(self, arguments, keywords):
            left, right = arguments
            alike = isinstance(left, Lanes) and left == right
            return signature(left, left, right) if alike else None

    @lower_builtin(operation, Lanes, Lanes)
    def _lower(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments, flags=_FUSED)


_binary(operator.add, "fadd")
_binary(operator.sub, "fsub")
_binary(operator.mul, "fmul")
_binary(operator.truediv, "fdiv")
