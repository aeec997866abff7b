"""Ansätze against PennyLane's templates."""

import pytest
import torch

from fedqml.quantum import ansatze

from ..strategies import numbers
from ..templates import qml, same_state, state_of

NONE = torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
@pytest.mark.parametrize("rotation", ["x", "y", "z"])
def test_basic_entangling(qubits, rotation):
    w = 6 * numbers(1, 2 * qubits)
    theirs = {"x": qml.RX, "y": qml.RY, "z": qml.RZ}[rotation]
    layers = w.reshape(2, qubits)
    expected = state_of(qml.BasicEntanglerLayers, layers, n=qubits, rotation=theirs)
    same_state(ansatze.basic_entangling(qubits, 2, rotation), NONE, w, expected)


@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_strongly_entangling(qubits):
    w = 6 * numbers(2, 5 * qubits * 3)
    expected = state_of(qml.StronglyEntanglingLayers, w.reshape(5, qubits, 3), n=qubits)
    same_state(ansatze.strongly_entangling(qubits, 5), NONE, w, expected)


def test_strongly_entangling_with_ranges():
    w = 6 * numbers(3, 24)
    settings = {"n": 4, "ranges": (3, 2)}
    expected = state_of(qml.StronglyEntanglingLayers, w.reshape(2, 4, 3), **settings)
    same_state(ansatze.strongly_entangling(4, 2, ranges=[3, 2]), NONE, w, expected)


def test_hardware_efficient_on_two_qubits_is_the_simplified_two_design():
    w = 6 * numbers(4, 6)
    weights = w[:2], w[2:].reshape(2, 1, 2)
    expected = state_of(qml.SimplifiedTwoDesign, *weights, n=2)
    same_state(ansatze.hardware_efficient(2, 2, ["ry"], "cz"), NONE, w, expected)
