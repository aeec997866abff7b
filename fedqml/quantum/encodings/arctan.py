"""The encoding of the paper: every input turns one qubit by arctan x and arctan x²."""

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op


def arctan(qubits: int = 4, hadamard: bool = True) -> Circuit:
    """Return ∏_i RZ(arctan x_i²) RY(arctan x_i) [H] on qubit i.

    Args:
        qubits: how many, and how many inputs.
        hadamard: whether a Hadamard gate comes first; the paper's caption has none, other
            circuits of its authors have it.

    Returns:
        A circuit with an input a qubit and no weights.

    Raises:
        InputError: if there is no qubit.

    Example:
        >>> print(arctan(qubits=2, hadamard=False).draw())
        0: ──RY(atan x0)──RZ(atan x0²)──
        1: ──RY(atan x1)──RZ(atan x1²)──

    Source:
        Chen and Yoo, Federated Quantum Machine Learning, arXiv:2103.12010, Fig. 3.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    ops: list[Op] = []
    for qubit in range(qubits):
        if hadamard:
            ops.append(Op("h", (qubit,)))
        ops.append(Op("ry", (qubit,), Angle.input(qubit, map="arctan")))
        ops.append(Op("rz", (qubit,), Angle.input(qubit, map="arctan_square")))
    return Circuit(qubits, tuple(ops))
