"""Transfer matrices against the density matrices they stand for."""

import itertools
from functools import reduce

import numpy as np
import pytest
import torch

from fedqml.quantum import GATES
from fedqml.quantum.gates import I2, PAULI, Rotation
from fedqml.quantum.noise.channels import CHANNELS
from fedqml.quantum.transfer import LETTERS, harmonics, transfer_matrix

MATRICES = {"I": I2, **PAULI}


def coefficients(state):
    """Return ⟨P⟩ for all words, one after the other."""
    words = itertools.product(LETTERS, repeat=len(state).bit_length() - 1)
    matrices = (reduce(np.kron, (MATRICES[letter] for letter in word)) for word in words)
    return np.array([np.trace(matrix @ state).real for matrix in matrices])


def random_state(size):
    rng = np.random.default_rng(3)
    root = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return root @ root.conj().T / np.trace(root @ root.conj().T)


@pytest.mark.parametrize(
    "kraus",
    [
        *(GATES[name].unitary[None] for name in ("h", "s", "cy", "swap")),
        CHANNELS["amplitude_damping"].kraus(0.3),
        CHANNELS["depolarising"].kraus(0.3, 2),
    ],
)
def test_a_channel_moves_the_coefficients_as_it_moves_the_state(kraus):
    state = random_state(kraus.shape[-1])
    moved = sum(k @ state @ k.conj().T for k in kraus)
    found = transfer_matrix(kraus) @ coefficients(state)
    np.testing.assert_allclose(found, coefficients(moved), atol=1e-14)


@pytest.mark.parametrize("name", [n for n, gate in GATES.items() if isinstance(gate, Rotation)])
def test_the_series_of_a_gate_is_its_matrix_at_every_angle(name):
    gate = GATES[name]
    frequencies, parts = harmonics(gate)
    for angle in (0.0, 0.4, -2.5, 7.0):
        unitary = gate.matrix(torch.tensor(angle, dtype=torch.float64)).numpy()
        phases = frequencies * angle
        factors = np.concatenate([[1.0], np.cos(phases), np.sin(phases)])
        found = np.tensordot(factors, parts, 1)
        np.testing.assert_allclose(found, transfer_matrix(unitary[None]), atol=1e-14)
