"""The IQP encoding: layers of gates that commute, between layers of Hadamard gates."""

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op
from fedqml.quantum.patterns import Pattern, pairs


def iqp(qubits: int = 4, depth: int = 1, entanglement: Pattern = "full") -> Circuit:
    """Return ``depth`` layers [H on all; RZ(x_i) on qubit i; RZZ(x_i x_j) on pairs].

    Args:
        qubits: how many, and how many inputs.
        depth: how many layers.
        entanglement: which pairs: ``"linear"``, ``"ring"`` or ``"full"``.

    Returns:
        A circuit with an input a qubit and no weights.

    Raises:
        InputError: if there is no qubit or layer, or the entanglement is unknown.

    Example:
        >>> print(iqp(qubits=2).draw())
        0: ──H──RZ(x0)─╭RZZ(x0·x1)──
        1: ──H──RZ(x1)─╰RZZ(x0·x1)──

    Source:
        Shepherd and Bremner, Temporally unstructured quantum computation, arXiv:0809.0847 ("IQP");
        as an encoding: Havlíček et al., arXiv:1804.11326, and PennyLane's ``IQPEmbedding``.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    joined = pairs(qubits, entanglement)
    layer = [Op("h", (qubit,)) for qubit in range(qubits)]
    layer += [Op("rz", (qubit,), Angle.input(qubit)) for qubit in range(qubits)]
    layer += [Op("rzz", pair, Angle.input(*pair, map="product")) for pair in joined]
    return Circuit(qubits, tuple(depth * layer))
