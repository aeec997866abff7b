"""A variational quantum circuit."""

from typing import Literal

from fedqml.core.errors import require
from fedqml.quantum.ansatze.rot_cnot import rot_cnot
from fedqml.quantum.encodings.arctan import arctan
from fedqml.quantum.layer import QuantumLayer
from fedqml.quantum.plugins import Ansatz, Encoding


def circuit(
    width: int,
    classes: int,
    encoding: Encoding = arctan,
    ansatz: Ansatz = rot_cnot,
    readout: Literal["expectation", "probability"] = "expectation",
    trainable: bool = True,
) -> QuantumLayer:
    """Return a circuit whose first ``classes`` qubits are the logits.

    By default it is the paper's, with what that leaves open: Hadamards first and a ring of CNOTs.

    Args:
        width: the circuit's qubits.
        classes: how many of them are measured.
        encoding: how the circuit reads its inputs, a function of ``qubits``.
        ansatz: the circuit's trainable part, a function of ``qubits``.
        readout: ``<Z>`` or ``(1 + <Z>) / 2``.
        trainable: whether the angles are trained; if not they stay as they were drawn.

    Raises:
        InputError: if there are more classes than qubits.

    Example:
        >>> sum(p.numel() for p in circuit(4, 2).parameters())
        24

    Source: Chen and Yoo, arXiv:2103.12010, figure 3.
    """
    require(classes <= width, "width", width, f"be at least the number of classes, {classes}")
    layer = QuantumLayer(encoding(qubits=width), ansatz(qubits=width), classes, readout=readout)
    layer.requires_grad_(trainable)
    return layer
