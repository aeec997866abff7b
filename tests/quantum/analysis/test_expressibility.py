import math

import numpy as np
import pytest

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.analysis import expressibility
from fedqml.quantum.analysis.expressibility import log_haar


@pytest.mark.parametrize("qubits", [1, 2, 5, 10])
def test_idle_gates_are_the_worst(qubits):
    """All fidelities are 1, and the last bin has Haar's chance bins^-(N-1)."""
    idle = Circuit(qubits, tuple(Op("h", (q,)) for q in range(qubits)))
    found = expressibility(idle, pairs=20, bins=75)
    assert found.divergence == pytest.approx((2**qubits - 1) * math.log(75), rel=1e-12)
    assert found.fractions[-1] == 1.0


def test_a_single_turn_draws_a_great_circle():
    """F = cos²((w - w')/2) of uniform angles has the arcsine law."""
    turn = Circuit(1, (Op("rx", (0,), Angle.weight(0)),))
    found = expressibility(turn, pairs=200_000, bins=75, seed=1)
    edges = np.linspace(0, 1, 76)
    exact = np.diff(2 / np.pi * np.arcsin(np.sqrt(edges)))
    np.testing.assert_allclose(found.fractions, exact, atol=5 * (exact.max() / 200_000) ** 0.5)
    expected = (exact * np.log(exact * 75)).sum()
    # the bias of finitely many pairs is 74/400000, its spread less than 0.002
    assert found.divergence == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("qubits", [1, 2, 4])
def test_haars_chances_are_those_of_random_vectors(qubits):
    rng = np.random.default_rng(0)
    pairs = 40_000
    left, right = rng.normal(size=(2, pairs, 2**qubits, 2)).view(complex)[..., 0]
    overlap = np.abs((left.conj() * right).sum(-1)) ** 2
    overlap /= (np.abs(left) ** 2).sum(-1) * (np.abs(right) ** 2).sum(-1)
    found = np.histogram(overlap, 20, (0, 1))[0] / pairs
    expected = np.exp(log_haar(qubits, 20))
    assert expected.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(found, expected, atol=5 * (expected.max() / pairs) ** 0.5)


def test_the_chances_of_many_qubits_keep_their_logarithms():
    logarithms = log_haar(qubits=20, bins=75)
    assert np.isfinite(logarithms).all()
    assert (np.diff(logarithms) < 0).all()


def test_general_gates_on_two_qubits_reach_nearly_all_states_evenly():
    found = expressibility(ansatze.brickwork(2, depth=4), pairs=20_000)
    # the bias alone is at most 74/40000
    assert 0 <= found.divergence < 0.01


def test_depth_helps_and_the_encoding_may_stand_in_front():
    shallow, deep = (
        expressibility(encodings.arctan(3) + ansatze.rot_cnot(3, depth), pairs=3000)
        for depth in (1, 4)
    )
    assert deep.divergence < 0.5 * shallow.divergence


def test_equal_seeds_give_equal_numbers():
    one, two, other = (expressibility(ansatze.rot_cnot(2), 100, seed=s) for s in (1, 1, 2))
    assert one.divergence == two.divergence != other.divergence
    assert np.array_equal(one.fractions, two.fractions)


def test_refuses():
    with pytest.raises(InputError, match="Argument `pairs` must be at least 1"):
        expressibility(ansatze.rot_cnot(2), pairs=0)
    with pytest.raises(InputError, match="Argument `bins` must be at least 1"):
        expressibility(ansatze.rot_cnot(2), bins=0)
