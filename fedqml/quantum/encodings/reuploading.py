"""Data re-uploading: every layer reads the inputs again, through weights of its own."""

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle, Term
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op
from fedqml.quantum.patterns import Pattern, pairs


def reuploading(qubits: int = 4, depth: int = 2, entanglement: Pattern = "ring") -> Circuit:
    """Return ``depth`` layers [RY(w x_i + b), RZ(w' x_i + b') on qubit i; CZ on pairs].

    The weights w, b, w' and b' of qubit i in a layer are four in a row from (layer · qubits + i)
    · 4 on. There are no CZ behind the last layer. The paper's gates are three turns, which read
    three inputs; here a third one, about z in front, would only change the phase of |0⟩ or,
    as it commutes with CZ, be one with the turn about z before it.

    Args:
        qubits: how many, and how many inputs.
        depth: how many layers; each reads every input twice.
        entanglement: which pairs: ``"linear"``, ``"ring"`` or ``"full"``.

    Returns:
        A circuit with an input a qubit and depth · qubits · 4 weights.

    Raises:
        InputError: if there is no qubit or layer, or the entanglement is unknown.

    Example:
        >>> print(reuploading(qubits=1, depth=1).draw())
        0: ──RY(x0·w0+w1)──RZ(x0·w2+w3)──

    Source:
        Pérez-Salinas, Cervera-Lierta, Gil-Fuster and Latorre, Data re-uploading for a universal
        quantum classifier, arXiv:1907.02085: layers U(θ + w∘x), joined by CZ for several qubits.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    joined = pairs(qubits, entanglement)
    ops: list[Op] = []
    for layer in range(depth):
        if layer > 0:
            ops.extend(Op("cz", pair) for pair in joined)
        for qubit in range(qubits):
            first = (layer * qubits + qubit) * 4
            for weight, gate in ((first, "ry"), (first + 2, "rz")):
                scaled = Angle((Term(inputs=(qubit,), weights=(weight,), map="product"),))
                ops.append(Op(gate, (qubit,), scaled + Angle.weight(weight + 1)))
    return Circuit(qubits, tuple(ops))
