"""The ZZ feature map: phases of inputs and of pairs of them, hard to simulate when repeated."""

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op
from fedqml.quantum.patterns import Pattern, pairs


def zz(qubits: int = 4, depth: int = 2, entanglement: Pattern = "linear") -> Circuit:
    """Return ``depth`` layers [H on all; P(2x_i) on qubit i; CX P(2(π-x_i)(π-x_j)) CX on pairs].

    The middle phase of a pair is that of its second qubit.

    Args:
        qubits: how many, and how many inputs.
        depth: how many layers; the paper has 2.
        entanglement: which pairs: ``"linear"``, ``"ring"`` or ``"full"``.

    Returns:
        A circuit with an input a qubit and no weights.

    Raises:
        InputError: if there is no qubit or layer, or the entanglement is unknown.

    Example:
        >>> print(zz(qubits=2, depth=1).draw())
        0: ──H──P(2·x0)─╭●─────────────────────╭●──
        1: ──H──P(2·x1)─╰⊕──P(2·(π-x0)·(π-x1))─╰⊕──

    Source:
        Havlíček et al., Supervised learning with quantum-enhanced feature spaces,
        arXiv:1804.11326: the feature map U_Φ; Qiskit's ``ZZFeatureMap``.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    joined = pairs(qubits, entanglement)
    layer = [Op("h", (qubit,)) for qubit in range(qubits)]
    layer += [Op("phase", (qubit,), 2 * Angle.input(qubit)) for qubit in range(qubits)]
    for a, b in joined:
        both = 2 * Angle.input(a, b, map="complement_product")
        layer += [Op("cx", (a, b)), Op("phase", (b,), both), Op("cx", (a, b))]
    return Circuit(qubits, tuple(depth * layer))
