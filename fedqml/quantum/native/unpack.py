"""What ``pack`` packed, as arrays in the kernels."""

from collections.abc import Iterator
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


def _method(builder: Any, packed: Array, *kinds: tuple[Any, int]) -> Iterator[Array]:
    """Yield the method's tables: what they hold and how many axes they have, one by one."""
    at = METHOD
    for kind, dimensions in kinds:
        yield table(builder, packed, at, dimensions, kind)
        at += 1 + dimensions


@primitive
def network(builder: Any, packed: Array) -> Network:
    """Return the calculation."""
    kinds = (np.int64, 1), (np.int32, 2), (np.int32, 1), (np.float64, 1)
    leaves: Any = table(builder, packed, LEAVES, 2, np.int64)
    return Network(leaves, *_method(builder, packed, *kinds))  # type: ignore[arg-type]


@primitive
def passes(builder: Any, packed: Array) -> Passes:
    """Return where runs act on a state vector."""
    qubits = builder.load(address(builder, packed, QUBITS), typ=INTEGER)
    kinds = (
        *((np.int64, 1), (np.int64, 2), (np.int32, 2), (np.int32, 2)),
        *((np.int64, 1), (np.int32, 2)),
        *[(np.int64, 1)] * 4,
    )
    return Passes(qubits, *_method(builder, packed, *kinds))  # type: ignore[arg-type]
