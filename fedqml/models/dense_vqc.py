"""A dense layer into a variational quantum circuit: the light hybrid model."""

import math
from typing import Literal

from torch import nn

from fedqml.core.errors import require
from fedqml.quantum.ansatze.rot_cnot import rot_cnot
from fedqml.quantum.encodings.arctan import arctan
from fedqml.quantum.layer import QuantumLayer


def dense_vqc(
    shape: tuple[int, ...],
    classes: int,
    qubits: int = 4,
    depth: int = 2,
    hadamard: bool = True,
    entangler: Literal["ring", "chain"] = "ring",
    readout: Literal["expectation", "probability"] = "expectation",
    dropout: float = 0.0,
    head: bool = False,
) -> nn.Module:
    """Return ``Linear(features, qubits)``, the paper's circuit, and its readout as the logits.

    Each example is flattened. Without a head the logits are the readouts of the first
    ``classes`` qubits, as in the paper; with one, all qubits are measured and a dense layer
    makes the logits, which also serves more classes than qubits.

    Args:
        shape: of one example.
        classes: how many classes there are.
        qubits: width of the circuit.
        depth: layers of CNOTs and rotations.
        hadamard: whether the encoding begins with a Hadamard gate on each qubit.
        entangler: whether the CNOTs close a ring or form a chain.
        readout: ``<Z>`` or ``(1 + <Z>) / 2``.
        dropout: probability of dropping an entry of the circuit's input in training.
        head: whether a dense layer follows the circuit.

    Raises:
        InputError: if a value is out of range, or there are more classes than qubits and no head.

    Example:
        >>> model = dense_vqc((30,), 2)
        >>> sum(p.numel() for p in model.parameters())
        148

    Source: Chen and Yoo, arXiv:2103.12010, figure 3 and table I, the dense layers reduced to one.
    """
    require(0 <= dropout < 1, "dropout", dropout, "be in [0, 1)")
    require(
        head or classes <= qubits,
        "qubits",
        qubits,
        f"be at least the number of classes, {classes}, unless head = true",
    )
    circuit = QuantumLayer(
        arctan(qubits, hadamard=hadamard),
        rot_cnot(qubits, depth=depth, entangler=entangler),
        measure=qubits if head else classes,
        readout=readout,
    )
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(math.prod(shape), qubits)]
    if dropout:
        layers.append(nn.Dropout(dropout))
    layers.append(circuit)
    if head:
        layers.append(nn.Linear(qubits, classes))
    return nn.Sequential(*layers)
