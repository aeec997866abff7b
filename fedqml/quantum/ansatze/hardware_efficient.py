"""The hardware-efficient ansatz: turns and entanglers that a machine has as its own gates."""

from collections.abc import Sequence

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.choices import require_choice
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import GATES, Fixed, Rotation
from fedqml.quantum.operation import Op
from fedqml.quantum.patterns import Pattern, pairs

_TURNS = [
    name for name, gate in GATES.items() if isinstance(gate, Rotation) and len(gate.symbols) == 1
]
_ENTANGLERS = [
    name for name, gate in GATES.items() if isinstance(gate, Fixed) and len(gate.symbols) == 2
]


def hardware_efficient(
    qubits: int = 4,
    depth: int = 2,
    rotations: Sequence[str] = ("ry", "rz"),
    entangler: str = "cz",
    pattern: Pattern = "linear",
) -> Circuit:
    """Return turns of every qubit, then ``depth`` blocks [entanglers on pairs; turns again].

    With k rotations, the weight of the rotation j of a qubit in block b, the turns in front being
    block 0, is w[(b · qubits + qubit) · k + j].

    Args:
        qubits: how many.
        depth: how many blocks.
        rotations: gates on one qubit with an angle, in the order of time, such as ``"ry"``.
        entangler: a gate on two qubits without an angle, such as ``"cz"`` or ``"cx"``.
        pattern: which pairs: ``"linear"``, ``"ring"`` or ``"full"``.

    Returns:
        A circuit with (depth + 1) · qubits · k weights and no inputs.

    Raises:
        InputError: if there is no qubit, block or rotation, or a name is unknown.

    Example:
        >>> print(hardware_efficient(qubits=2, depth=1, rotations=["ry"]).draw())
        0: ──RY(w0)─╭●──RY(w2)──
        1: ──RY(w1)─╰●──RY(w3)──

    Source:
        Kandala et al., Hardware-efficient variational quantum eigensolver for small molecules
        and quantum magnets, arXiv:1704.05018, figure 1c.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    require(len(rotations) > 0, "rotations", rotations, "name at least one gate")
    for rotation in rotations:
        require_choice("rotations", rotation, _TURNS)
    require_choice("entangler", entangler, _ENTANGLERS)
    joined = pairs(qubits, pattern)
    ops: list[Op] = []
    for block in range(depth + 1):
        layer = block - 1 if block else None  # the turns in front are there at any depth
        if block > 0:
            ops.extend(Op(entangler, pair, layer=layer) for pair in joined)
        for qubit in range(qubits):
            first = (block * qubits + qubit) * len(rotations)
            for j, gate in enumerate(rotations):
                ops.append(Op(gate, (qubit,), Angle.weight(first + j), layer))
    return Circuit(qubits, tuple(ops))
