"""The brickwork ansatz: general gates on two qubits, every other layer shifted by one qubit."""

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op

_TURNS, _JOINTS = ("rz", "ry", "rz"), ("rxx", "ryy", "rzz")


def brickwork(qubits: int = 4, depth: int = 2) -> Circuit:
    """Return ``depth`` layers of general two-qubit gates on alternating pairs.

    Layer l has [RZ RY RZ on every qubit; RXX RYY RZZ on the pairs (0, 1), (2, 3), ... if l is
    even, (1, 2), (3, 4), ... if odd]; a last RZ RY RZ on every qubit completes it, so that each
    block with the turns around it can be any gate on two qubits. Two qubits have a single pair,
    the same in every layer. Weights are counted in the order of the gates.

    Args:
        qubits: how many.
        depth: how many layers.

    Returns:
        A circuit with (depth + 1) · qubits · 3 weights and 3 more for each pair, and no inputs.

    Raises:
        InputError: if there is no qubit or layer.

    Example:
        >>> brickwork(qubits=4, depth=2).n_weights
        45
        >>> [op.wires for op in brickwork(qubits=4, depth=2).ops if op.gate == "rxx"]
        [(0, 1), (2, 3), (1, 2)]

    Source:
        Cerezo et al., Cost function dependent barren plateaus in shallow parametrized quantum
        circuits, arXiv:2001.00550 (alternating layered ansatz); Vatan and Williams,
        Optimal quantum circuits for general two-qubit gates, arXiv:quant-ph/0308006.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    gates: list[tuple[str, tuple[int, ...], int | None]] = []
    for layer in range(depth + 1):
        # turns complete the layer before them, and the first ones are there at any depth
        before = layer - 1 if layer else None
        gates.extend((turn, (qubit,), before) for qubit in range(qubits) for turn in _TURNS)
        start = layer % 2 if qubits > 2 else 0
        if layer < depth:
            firsts = range(start, qubits - 1, 2)
            gates.extend((joint, (a, a + 1), layer) for a in firsts for joint in _JOINTS)
    ops = (Op(gate, at, Angle.weight(j), layer) for j, (gate, at, layer) in enumerate(gates))
    return Circuit(qubits, tuple(ops))
