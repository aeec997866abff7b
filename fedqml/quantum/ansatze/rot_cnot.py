"""The ansatz of the paper: CNOTs between neighbours, then a general rotation of every qubit."""

from typing import Literal

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.choices import require_choice
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op


def rot_cnot(
    qubits: int = 4, depth: int = 2, entangler: Literal["ring", "chain"] = "ring"
) -> Circuit:
    """Return ``depth`` blocks [CNOT i -> i+1; RZ(γ) RY(β) RZ(α) on every qubit].

    The weight α, β or γ (j = 0, 1, 2) of a qubit in a block is w[(block · qubits + qubit) · 3 + j].

    Args:
        qubits: how many.
        depth: how many blocks.
        entangler: ``"ring"`` has a last CNOT from the last qubit to the first, ``"chain"`` not.

    Returns:
        A circuit with depth · qubits · 3 weights and no inputs.

    Raises:
        InputError: if there is no qubit or block, or the entangler is unknown.

    Example:
        >>> print(rot_cnot(qubits=2, depth=1, entangler="chain").draw())
        0: ─╭●──RZ(w0)──RY(w1)──RZ(w2)──
        1: ─╰⊕──RZ(w3)──RY(w4)──RZ(w5)──

    Source:
        Chen and Yoo, Federated Quantum Machine Learning, arXiv:2103.12010, Fig. 3.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    require_choice("entangler", entangler, ("ring", "chain"))
    pairs = [(qubit, qubit + 1) for qubit in range(qubits - 1)]
    if entangler == "ring" and qubits > 1:
        pairs.append((qubits - 1, 0))
    ops: list[Op] = []
    for block in range(depth):
        ops.extend(Op("cx", pair, layer=block) for pair in pairs)
        for qubit in range(qubits):
            first = (block * qubits + qubit) * 3
            for j, gate in enumerate(("rz", "ry", "rz")):
                ops.append(Op(gate, (qubit,), Angle.weight(first + j), block))
    return Circuit(qubits, tuple(ops))
