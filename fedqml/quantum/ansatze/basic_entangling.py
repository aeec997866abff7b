"""The basic entangler: a turn of every qubit, then a ring of CNOTs."""

from typing import Literal

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.choices import require_choice
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op
from fedqml.quantum.patterns import pairs


def basic_entangling(
    qubits: int = 4, depth: int = 2, rotation: Literal["x", "y", "z"] = "x"
) -> Circuit:
    """Return ``depth`` layers [R(w) on every qubit; CNOTs on a ring].

    The weight of a qubit in a layer is w[layer · qubits + qubit]. CNOTs make products of X of X,
    and of Z of Z: turns about x, or about z, all commute with each other whatever the depth, and
    only move phases in that basis. Turns about y reach more states.

    Args:
        qubits: how many; two are joined by a single CNOT.
        depth: how many layers.
        rotation: the axis of R.

    Returns:
        A circuit with depth · qubits weights and no inputs.

    Raises:
        InputError: if there is no qubit or layer, or the axis is unknown.

    Example:
        >>> print(basic_entangling(qubits=3, depth=1).draw())
        0: ──RX(w0)─╭●────╭⊕──
        1: ──RX(w1)─╰⊕─╭●─│───
        2: ──RX(w2)────╰⊕─╰●──

    Source:
        PennyLane's ``BasicEntanglerLayers``, Bergholm et al., arXiv:1811.04968.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require(depth >= 1, "depth", depth, "be at least 1")
    require_choice("rotation", rotation, ("x", "y", "z"))
    ops: list[Op] = []
    for layer in range(depth):
        for qubit in range(qubits):
            ops.append(Op(f"r{rotation}", (qubit,), Angle.weight(layer * qubits + qubit), layer))
        ops.extend(Op("cx", pair, layer=layer) for pair in pairs(qubits, "ring"))
    return Circuit(qubits, tuple(ops))
