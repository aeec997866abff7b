"""A dense layer into a variational quantum circuit: the light hybrid model."""

import math
from typing import Literal

from torch import nn

from fedqml.core.errors import require
from fedqml.quantum.ansatze.rot_cnot import rot_cnot
from fedqml.quantum.encodings.arctan import arctan
from fedqml.quantum.layer import QuantumLayer
from fedqml.quantum.plugins import Ansatz, Encoding


def dense_vqc(
    shape: tuple[int, ...],
    classes: int,
    qubits: int = 4,
    encoding: Encoding = arctan,
    ansatz: Ansatz = rot_cnot,
    readout: Literal["expectation", "probability"] = "expectation",
    dropout: float = 0.0,
    head: bool = False,
) -> nn.Module:
    """Return a dense layer, a circuit, and its readout as the logits.

    Each example is flattened; the dense layer has as many outputs as the encoding has inputs. With
    the encoding and ansatz left out it is the paper's circuit behind ``Linear(features, qubits)``.
    Without a head the logits are the readouts of the first
    ``classes`` qubits, as in the paper; with one, all qubits are measured and a dense layer
    makes the logits, which also serves more classes than qubits.

    Args:
        shape: of one example.
        classes: how many classes there are.
        qubits: width of the circuit.
        encoding: how the circuit reads its inputs, a function of ``qubits``.
        ansatz: the circuit's trainable part, a function of ``qubits``.
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
        encoding(qubits=qubits),
        ansatz(qubits=qubits),
        measure=qubits if head else classes,
        readout=readout,
    )
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(math.prod(shape), circuit.in_features)]
    if dropout:
        layers.append(nn.Dropout(dropout))
    layers.append(circuit)
    if head:
        layers.append(nn.Linear(qubits, classes))
    return nn.Sequential(*layers)
