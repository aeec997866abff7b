"""What ``pack`` packed, as arrays in the kernels."""

from typing import no_type_check

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from fedqml.quantum.native.compiled import pasted
from fedqml.quantum.native.pack import LEAVES, METHOD, QUBITS
from fedqml.quantum.native.sums import Network
from fedqml.quantum.native.tape import Passes


@no_type_check
def _array(context, builder, result, address, extents):
    size = context.get_abi_sizeof(context.get_data_type(result.dtype))
    stride, strides = context.get_constant(types.intp, size), []
    for extent in reversed(extents):
        strides.insert(0, stride)
        stride = builder.mul(stride, extent)
    made = context.make_array(result)(context, builder)
    populate_array(
        made,
        data=builder.inttoptr(address, made.data.type),
        shape=extents,
        strides=strides,
        itemsize=context.get_constant(types.intp, size),
        meminfo=None,
    )
    return made._getvalue()


@intrinsic
@no_type_check
def array(typing_context, address, shape, dtype):
    """Return the contiguous array at an address."""
    result = types.Array(dtype.dtype, len(shape), "C")

    def generate(context, builder, signature, arguments):
        extents = cgutils.unpack_tuple(builder, arguments[1], len(shape))
        return _array(context, builder, result, arguments[0], extents)

    return result(types.int64, shape, dtype), generate


@intrinsic(prefer_literal=True)
@no_type_check
def table(typing_context, packed, at, dimensions, dtype):
    """Return the array whose address and shape are at a place of what was packed."""
    result = types.Array(dtype.dtype, dimensions.literal_value, "C")

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data

        def number(k):
            place = builder.add(arguments[1], context.get_constant(types.intp, k))
            return builder.load(builder.gep(data, [place]))

        extents = [number(1 + k) for k in range(dimensions.literal_value)]
        return _array(context, builder, result, number(0), extents)

    return result(packed, types.int64, dimensions, dtype), generate


@pasted
@no_type_check
def network(packed):
    """Return the calculation."""
    return Network(
        table(packed, LEAVES, 2, np.int64),
        table(packed, METHOD, 1, np.int64),
        table(packed, METHOD + 2, 2, np.int32),
        table(packed, METHOD + 5, 1, np.int32),
        table(packed, METHOD + 7, 1, np.float64),
    )


@pasted
@no_type_check
def passes(packed):
    """Return where runs act on a state vector."""
    return Passes(
        packed[QUBITS],
        table(packed, METHOD, 1, np.int64),
        table(packed, METHOD + 2, 2, np.int64),
        table(packed, METHOD + 5, 3, np.int32),
        table(packed, METHOD + 9, 3, np.int32),
        table(packed, METHOD + 13, 3, np.int32),
        table(packed, METHOD + 17, 1, np.int64),
        table(packed, METHOD + 19, 1, np.int64),
        table(packed, METHOD + 21, 1, np.int64),
        table(packed, METHOD + 23, 1, np.int64),
    )
