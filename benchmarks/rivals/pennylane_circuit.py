"""The circuit in PennyLane's words, for all of its devices and interfaces."""

from collections.abc import Callable
from typing import Any

import pennylane as qml

from rivals.circuit_problem import MEASURED


def pennylane_circuit(qubits: int, depth: int, **how: Any) -> Callable[[Any, Any, Any], list[Any]]:
    """Return the function (arctan x, arctan x², w) -> expectation values.

    Args:
        qubits: how many.
        depth: blocks.
        how: device, interface and differentiation method of the QNode.
    """

    @qml.qnode(**how)
    def circuit(first: Any, second: Any, w: Any) -> list[Any]:
        for qubit in range(qubits):
            qml.Hadamard(qubit)
            qml.RY(first[..., qubit], qubit)
            qml.RZ(second[..., qubit], qubit)
        for block in range(depth):
            for qubit in range(qubits):
                qml.CNOT([qubit, (qubit + 1) % qubits])
            for qubit in range(qubits):
                qml.Rot(*(w[..., block, qubit, j] for j in range(3)), qubit)
        return [qml.expval(qml.PauliZ(qubit)) for qubit in range(MEASURED)]

    return circuit
