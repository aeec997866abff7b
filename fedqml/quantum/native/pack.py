"""What the kernels of a call read apart from its numbers, in a single array.

A circuit has a dozen tables, and each argument of a call takes time. So the kernels get the address
of one array, with numbers and with the addresses and shapes of the others; see ``unpack``.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sizes(NamedTuple):
    """How much there is to do, and how it is divided.

    A vector's lanes are examples. If ``aligned``, all examples of a group of lanes are of the same
    client, and the last of each client's groups may have lanes left; what depends on weights alone
    is then computed once a client, with clients as lanes. If not, groups have examples of several
    clients, and all that depends on weights is computed for every example.

    Args:
        rows: examples of all clients.
        inputs: of an example.
        clients: how many.
        weights: of a client.
        batch: examples of a client.
        aligned: 1 if so, or 0.
        groups: of examples, as many to a group as a vector has lanes, or fewer.
        client_groups: of clients; 0 if not aligned.
        mixed_turns: how many turns are in mixed runs; they come first.
        mixed: how many columns differ from example to example; they come first.
        reached: how many columns the mixed runs read, all or only those.
        observables: how many are measured.
        qubits: of the state; 0 if there is none.
        span: how many groups of examples are calculated at once.
        work: how many numbers of float64 angles and sums need as memory.
    """

    rows: int
    inputs: int
    clients: int
    weights: int
    batch: int
    aligned: int
    groups: int
    client_groups: int
    mixed_turns: int
    mixed: int
    reached: int
    observables: int
    qubits: int
    span: int
    work: int


(
    ROWS,
    INPUTS,
    CLIENTS,
    WEIGHTS,
    BATCH,
    ALIGNED,
    GROUPS,
    CLIENT_GROUPS,
    MIXED_TURNS,
    MIXED,
    REACHED,
    OBSERVABLES,
    QUBITS,
    SPAN,
    WORK,
) = range(len(Sizes._fields))
# where the tables begin: those of ``Parts`` and ``Columns``, what is the same for all examples of a
# client (leaves of a network, or else runs), the leaves, if any, and what else the method has
RUNS, PARTS, TERMS, TURNS, COLUMNS, ARGUMENTS, SLOTS, LEAVES = range(WORK + 1, WORK + 17, 2)
METHOD = LEAVES + 3


def pack(numbers: Iterable[int], tables: Iterable[NDArray[Any]]) -> NDArray[np.int64]:
    """Return numbers, and of each table its address and shape.

    Args:
        numbers: any.
        tables: contiguous arrays, which must not be freed while the result is used.

    Example:
        >>> pack([5], [np.zeros((2, 3))])[[0, 2, 3]]
        array([5, 2, 3])
    """
    flat = list(numbers)
    for table in tables:
        assert table.flags.c_contiguous, "the kernels know no strides"
        flat += [table.ctypes.data, *table.shape]
    return np.array(flat, dtype=np.int64)
