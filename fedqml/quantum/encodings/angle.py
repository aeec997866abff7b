"""Angle encoding: every input turns one qubit."""

from typing import Literal

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.choices import require_choice
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op


def angle(
    qubits: int = 4,
    rotation: Literal["x", "y", "z"] = "x",
    scaling: float = 1.0,
    hadamard: bool = False,
) -> Circuit:
    """Return ∏_i R(scaling · x_i) [H] on qubit i.

    Args:
        qubits: how many, and how many inputs.
        rotation: the axis of R. A turn about z changes |0⟩ by a phase only: it needs the
            Hadamard gate.
        scaling: factor in front of the inputs, radians a unit of theirs.
        hadamard: whether a Hadamard gate comes first.

    Returns:
        A circuit with an input a qubit and no weights.

    Raises:
        InputError: if there is no qubit, the axis is unknown, or the scaling is 0 or not finite.

    Example:
        >>> print(angle(qubits=2, rotation="y", scaling=0.5).draw())
        0: ──RY(0.5·x0)──
        1: ──RY(0.5·x1)──

    Source:
        Schuld and Petruccione, Machine learning with quantum computers, Springer 2021
        (time-evolution encoding); PennyLane's ``AngleEmbedding``.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    require_choice("rotation", rotation, ("x", "y", "z"))
    require(scaling != 0, "scaling", scaling, "differ from 0, or no input has influence")
    ops: list[Op] = []
    for qubit in range(qubits):
        if hadamard:
            ops.append(Op("h", (qubit,)))
        ops.append(Op(f"r{rotation}", (qubit,), scaling * Angle.input(qubit)))
    return Circuit(qubits, tuple(ops))
