"""A circuit as a quantum function of PennyLane."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.optional import library, require_library
from fedqml.quantum.angle import evaluate
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.exchange.operations import observable, operation


def to_pennylane(circuit: Circuit) -> Callable[[Tensor, Tensor], list[Any]]:
    """Return a function that applies the circuit's gates and measures its observables.

    It becomes a QNode, on any device of PennyLane's, as every quantum function does:
    ``qml.QNode(to_pennylane(circuit), qml.device("default.qubit"))``.

    Args:
        circuit: measures at least one observable.

    Returns:
        ``function(x, w)`` of the inputs, (inputs,) or (*batch, inputs), and the weights,
        (weights,), radians, both tensors of one precision; gives a list with an expectation value
        for every observable.

    Raises:
        InputError: if nothing is measured or PennyLane is missing.

    Example:
        >>> import pennylane as qml
        >>> import torch
        >>> from fedqml.quantum.encodings import arctan
        >>> function = to_pennylane(arctan(qubits=2, hadamard=False).measure("Z1"))
        >>> node = qml.QNode(function, qml.device("default.qubit"), interface="torch")
        >>> node(torch.tensor([0.0, 1.0]), torch.zeros(0))[0].round(decimals=4)
        tensor(0.7071, dtype=torch.float64)
    """
    require(bool(circuit.observables), "circuit.observables", (), "have at least one entry")
    require_library("pennylane")

    def function(x: Tensor, w: Tensor) -> list[Any]:
        for op in circuit.ops:
            angle = [] if op.angle is None else [evaluate([op.angle], x, w)[..., 0]]
            operation(op.gate, op.wires, *angle)
        qml = library("pennylane")
        return [qml.expval(observable(word)) for word in circuit.observables]

    return function
