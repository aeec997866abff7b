"""Encodings against PennyLane's templates."""

import pytest
import torch

from fedqml.quantum import encodings

from ..strategies import numbers
from ..templates import qml, same_state, state_of

NONE = torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize("rotation", ["x", "y", "z"])
def test_angle(rotation):
    x = numbers(1, 3)
    expected = state_of(qml.AngleEmbedding, 0.7 * x, n=3, rotation=rotation.upper())
    same_state(encodings.angle(3, rotation, scaling=0.7), x, NONE, expected)


@pytest.mark.parametrize("qubits", [1, 2, 4])
@pytest.mark.parametrize("depth", [1, 2])
def test_iqp(qubits, depth):
    x = numbers(2, qubits)
    expected = state_of(qml.IQPEmbedding, x, n=qubits, n_repeats=depth)
    same_state(encodings.iqp(qubits, depth), x, NONE, expected)


@pytest.mark.parametrize("entanglement", ["linear", "ring"])
def test_iqp_with_other_pairs(entanglement):
    pattern = [[0, 1], [1, 2], [2, 3]] + ([[3, 0]] if entanglement == "ring" else [])
    x = numbers(3, 4)
    expected = state_of(qml.IQPEmbedding, x, n=4, pattern=pattern)
    same_state(encodings.iqp(4, entanglement=entanglement), x, NONE, expected)


@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_amplitude(qubits):
    x = numbers(4, 2**qubits)
    circuit = encodings.amplitude(qubits)
    expected = state_of(qml.MottonenStatePreparation, x / x.norm(), n=qubits)
    same_state(circuit, x, NONE, expected)
    expected = state_of(qml.AmplitudeEmbedding, x, n=qubits, normalize=True)
    same_state(circuit, x, NONE, expected)


@pytest.mark.parametrize("inputs", range(2, 9))
def test_amplitude_of_fewer_inputs(inputs):
    x = numbers(5, inputs)
    expected = state_of(qml.AmplitudeEmbedding, x, n=3, normalize=True, pad_with=0.0)
    same_state(encodings.amplitude(3, inputs), x, NONE, expected)
