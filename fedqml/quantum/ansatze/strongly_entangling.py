"""The strongly entangling ansatz: general rotations, then CNOTs over a distance that varies."""

from collections.abc import Sequence

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op


def strongly_entangling(
    qubits: int = 4, depth: int = 2, ranges: Sequence[int] | None = None
) -> Circuit:
    """Return ``depth`` layers [RZ(γ) RY(β) RZ(α) on every qubit; CNOT i -> i + range].

    The weight α, β or γ (j = 0, 1, 2) of a qubit in a layer is w[(layer · qubits + qubit) · 3 + j].

    Args:
        qubits: how many; the CNOTs count them round a ring.
        depth: how many layers.
        ranges: the distance of control and target in each layer, from 1 to qubits - 1; None for
            1, 2, ..., qubits - 1 and again from 1. A single qubit has none.

    Returns:
        A circuit with depth · qubits · 3 weights and no inputs.

    Raises:
        InputError: if there is no qubit or layer, or the ranges do not fit.

    Example:
        >>> print(strongly_entangling(qubits=2, depth=1).draw())
        0: ──RZ(w0)──RY(w1)──RZ(w2)─╭●─╭⊕──
        1: ──RZ(w3)──RY(w4)──RZ(w5)─╰⊕─╰●──

    Source:
        Schuld, Bocharov, Svore and Wiebe, Circuit-centric quantum classifiers, arXiv:1804.00633;
        PennyLane's ``StronglyEntanglingLayers``.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    if ranges is None or qubits == 1:
        distances = [1 + layer % max(qubits - 1, 1) for layer in range(depth)]
    else:
        distances = list(ranges)
        fits = len(distances) == depth and all(0 < r < qubits for r in distances)
        require(fits, "ranges", distances, f"be {depth} numbers from 1 to {qubits - 1}")
    ops: list[Op] = []
    for layer, distance in enumerate(distances):
        for qubit in range(qubits):
            first = (layer * qubits + qubit) * 3
            for j, gate in enumerate(("rz", "ry", "rz")):
                ops.append(Op(gate, (qubit,), Angle.weight(first + j), layer))
        if qubits > 1:
            ops.extend(Op("cx", (q, (q + distance) % qubits), layer=layer) for q in range(qubits))
    return Circuit(qubits, tuple(ops))
