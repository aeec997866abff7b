"""Circuits from other libraries, and for them.

A model of PennyLane's becomes a layer that can be federated in a line:

>>> import pennylane as qml
>>> from fedqml.quantum import QuantumLayer
>>> @qml.qnode(qml.device("default.qubit", wires=2))
... def node(inputs, weights):
...     qml.AngleEmbedding(inputs, wires=range(2))
...     qml.BasicEntanglerLayers(weights, wires=range(2))
...     return [qml.expval(qml.Z(q)) for q in range(2)]
>>> QuantumLayer.from_circuit(from_pennylane(node, {"weights": (3, 2)}, in_features=2))
QuantumLayer(qubits=2, in_features=2, out_features=2, weights=6, measure='Z0, Z1', \
readout=expectation)
"""

from fedqml.quantum.exchange.from_pennylane import from_pennylane
from fedqml.quantum.exchange.to_openqasm import to_openqasm
from fedqml.quantum.exchange.to_pennylane import to_pennylane

__all__ = ["from_pennylane", "to_openqasm", "to_pennylane"]
