"""Arrays in kernels, which get their addresses."""

import ast
from typing import Any

import numpy as np

from fedqml.quantum.native.compiler import arithmetic
from fedqml.quantum.native.compiler.translate import primitive
from fedqml.quantum.native.compiler.values import BYTE, INTEGER, POINTER, TRUTH, Array


@primitive
def array(builder: Any, at: Any, shape: tuple[Any, ...], kind: Any) -> Array:
    """Return the contiguous array at an address."""
    extents = tuple(arithmetic.convert(builder, extent, INTEGER) for extent in shape)
    return Array(builder.inttoptr(at, POINTER), extents, np.dtype(kind))


@primitive
def clear(builder: Any, array: Array) -> None:
    """Write zeros to all of a flat array."""
    size = arithmetic.binary(builder, ast.Mult(), array.shape[0], array.itemsize)
    memset = builder.module.declare_intrinsic("llvm.memset", [array.data.type, INTEGER])
    builder.call(memset, [array.data, BYTE(0), size, TRUTH(0)])
