"""What ``pack`` packed, as arrays in the kernels."""

from typing import Any, no_type_check

import numpy as np

from fedqml.quantum.native.compiler.arrays import array
from fedqml.quantum.native.compiler.translate import primitive
from fedqml.quantum.native.compiler.values import INTEGER, Array, address
from fedqml.quantum.native.pack import LEAVES, METHOD, QUBITS, WORK
from fedqml.quantum.native.sums import Network
from fedqml.quantum.native.tape import Passes


@no_type_check
def packed_at(address):
    """Return the numbers in front of the tables."""
    return array(address, (WORK + 1,), np.int64)


@primitive
def table(builder: Any, packed: Array, at: int, dimensions: int, kind: Any) -> Array:
    """Return the array whose address and shape are at a place of what was packed."""
    where, *shape = (
        builder.load(address(builder, packed, at + k), typ=INTEGER) for k in range(1 + dimensions)
    )
    return array(builder, where, tuple(shape), kind)


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


@no_type_check
def passes(packed):
    """Return where runs act on a state vector."""
    return Passes(
        packed[QUBITS],
        table(packed, METHOD, 1, np.int64),
        table(packed, METHOD + 2, 2, np.int64),
        table(packed, METHOD + 5, 2, np.int32),
        table(packed, METHOD + 8, 2, np.int32),
        table(packed, METHOD + 11, 1, np.int64),
        table(packed, METHOD + 13, 2, np.int32),
        table(packed, METHOD + 16, 1, np.int64),
        table(packed, METHOD + 18, 1, np.int64),
        table(packed, METHOD + 20, 1, np.int64),
        table(packed, METHOD + 22, 1, np.int64),
    )
