import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import Angle
from fedqml.quantum.native.entries import VARIES, pattern
from fedqml.quantum.native.steps import Constant, Turn

from ..strategies import some

SIGMA = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
HALF = 0.5**0.5
QUATERNIONS = [
    (HALF, 0.0, 0.0, -HALF),  # sdg
    (0.0, HALF, 0.0, HALF),  # h
    (0.0, 1.0, 0.0, 0.0),  # x
    (0.8, 0.0, 0.6, 0.0),
    (0.5, 0.5, -0.5, 0.5),
    (0.1, 0.5, 0.5, 0.7),
]


def rotation(parts, angles):
    """By the definition, R_ij = tr(σ_i U σ_j U†)/2."""
    u = np.eye(2)
    for part in parts:
        if isinstance(part, Turn):
            half = angles[part.angle.terms[0].weights[0]] / 2
            own = np.cos(half) * np.eye(2) - 1j * np.sin(half) * SIGMA[part.axis]
        else:
            a, *q = np.array(part.quaternion) / np.linalg.norm(part.quaternion)
            own = a * np.eye(2) - 1j * np.tensordot(q, SIGMA, 1)
        u = own @ u
    return np.einsum("iab,bc,jcd,ad->ij", SIGMA, u, SIGMA, u.conj()).real / 2


parts = st.one_of(
    st.builds(lambda axis, k: Turn(0, axis, Angle.weight(k)), st.integers(0, 2), st.integers(0, 3)),
    st.sampled_from(QUATERNIONS).map(lambda q: Constant(0, q)),
)


@some
@given(st.lists(parts, max_size=4), st.integers(0, 1000))
def test_what_is_known_of_an_entry_is_so_at_all_angles(run, seed):
    known = pattern(run)
    for angles in np.random.default_rng(seed).uniform(-6, 6, size=(3, 4)):
        found = rotation(run, angles)
        fixed = known != VARIES
        np.testing.assert_allclose(found[fixed], known[fixed], rtol=0, atol=1e-14)


@pytest.mark.parametrize("quaternion", QUATERNIONS[:3] + QUATERNIONS[4:5])
def test_clifford_gates_are_known_altogether(quaternion):
    assert VARIES not in pattern([Constant(0, quaternion)])


def test_turns_about_two_axes():
    z, y = (Turn(0, axis, Angle.weight(axis)) for axis in (2, 1))
    np.testing.assert_array_equal(pattern([z]), [[2, 2, 0], [2, 2, 0], [0, 0, 1]])
    np.testing.assert_array_equal(pattern([y, z]), [[2, 2, 2], [2, 2, 2], [2, 0, 2]])
    assert torch.tensor(pattern([z, y, z])).eq(VARIES).all()
