"""A circuit and nothing before it: the ablation without trained classical layers."""

import math
from typing import Literal

from torch import nn

from fedqml.core.errors import InputError
from fedqml.models.cores.circuit import circuit
from fedqml.quantum.ansatze.rot_cnot import rot_cnot
from fedqml.quantum.encodings.arctan import arctan
from fedqml.quantum.plugins import Ansatz, Encoding


def circuit_only(
    shape: tuple[int, ...],
    classes: int,
    encoding: Encoding = arctan,
    ansatz: Ansatz = rot_cnot,
    readout: Literal["expectation", "probability"] = "expectation",
) -> nn.Module:
    """Return a circuit with a qubit for each feature, such as each principal component.

    Args:
        shape: of one example; its entries are the circuit's inputs.
        classes: how many classes there are, at most the number of qubits.
        encoding: how the circuit reads its inputs, a function of ``qubits``.
        ansatz: the circuit's trainable part, a function of ``qubits``.
        readout: ``<Z>`` or ``(1 + <Z>) / 2``.

    Raises:
        InputError: if there are fewer features than classes, or the encoding does not read as many
            numbers as there are features.

    Example:
        >>> sum(p.numel() for p in circuit_only((4,), 2).parameters())
        24
    """
    features = math.prod(shape)
    layer = circuit(features, classes, encoding, ansatz, readout)
    if layer.in_features != features:
        raise InputError(
            f"The encoding of `circuit_only` must read {features} numbers, a qubit each, but it "
            f"reads {layer.in_features}."
        )
    return nn.Sequential(nn.Flatten(), layer)
