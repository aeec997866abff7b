"""Every channel against its closed form, and against PennyLane's."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.quantum.gates import PAULI
from fedqml.quantum.noise.channels import (
    CHANNELS,
    amplitude_damping,
    bit_flip,
    depolarising,
    phase_damping,
    phase_flip,
    thermal_relaxation,
)

from ..strategies import some

with warnings.catch_warnings():
    # what PennyLane's own imports warn of is not about this package
    warnings.simplefilter("ignore")
    qml = pytest.importorskip("pennylane")

PROBABILITIES = st.floats(0, 1)
SETTINGS = {
    "amplitude_damping": [(0.0,), (0.3,), (1.0,)],
    "phase_damping": [(0.0,), (0.3,), (1.0,)],
    "thermal_relaxation": [
        (5.0, t2, t) for t2, t in ((2.0, 1.0), (5.0, 1.0), (8.0, 1.0), (10.0, 1.0), (7.0, 0.0))
    ],
    "bit_flip": [(0.0,), (0.3,), (1.0,)],
    "phase_flip": [(0.0,), (0.3,), (1.0,)],
    "depolarising": [(p, k) for p in (0.0, 0.3, 1.0) for k in (1, 2)],
}
CASES = [(name, setting) for name, settings in SETTINGS.items() for setting in settings]


def act(kraus, state):
    return sum(k @ state @ k.conj().T for k in kraus)


def random_state(seed, size=2):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return root @ root.conj().T / np.trace(root @ root.conj().T)


def test_every_channel_is_tested():
    assert set(SETTINGS) == set(CHANNELS)


@pytest.mark.parametrize(("name", "setting"), CASES)
def test_the_trace_is_preserved(name, setting):
    kraus = CHANNELS[name].kraus(*setting)
    total = sum(k.conj().T @ k for k in kraus)
    np.testing.assert_allclose(total, np.eye(len(total)), atol=1e-15)


@some
@given(PROBABILITIES, st.integers(0, 100))
def test_closed_forms(p, seed):
    state = random_state(seed)
    (a, b), (c, d) = state
    keep, root = 1 - p, math.sqrt(1 - p)
    x, z = PAULI["X"], PAULI["Z"]
    for kraus, expected in (
        (amplitude_damping(p), [[a + p * d, root * b], [root * c, keep * d]]),
        (phase_damping(p), [[a, root * b], [root * c, d]]),
        (bit_flip(p), keep * state + p * x @ state @ x),
        (phase_flip(p), keep * state + p * z @ state @ z),
        (depolarising(p, 1), keep * state + p * np.eye(2) / 2),
    ):
        np.testing.assert_allclose(act(kraus, state), expected, atol=1e-15)
    pair = random_state(seed, 4)
    expected = keep * pair + p * np.eye(4) / 4
    np.testing.assert_allclose(act(depolarising(p, 2), pair), expected, atol=1e-15)


@some
@example(t1=0.25, ratio=2.0, duration=6.0, seed=0)
@given(st.floats(0.1, 10), st.floats(0.01, 2), st.floats(0, 10), st.integers(0, 100))
def test_relaxation_decays_with_both_times(t1, ratio, duration, seed):
    """Also for T1 < T2 <= 2 T1."""
    (a, b), (c, d) = state = random_state(seed)
    t2 = ratio * t1
    decay, coherence = math.exp(-duration / t1), math.exp(-duration / t2)
    expected = [[a + (1 - decay) * d, coherence * b], [coherence * c, decay * d]]
    found = act(thermal_relaxation(t1, t2, duration), state)
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_relaxations_in_a_row_add_their_durations():
    state = random_state(1)
    twice = act(thermal_relaxation(5.0, 7.0, 2.0), act(thermal_relaxation(5.0, 7.0, 1.0), state))
    np.testing.assert_allclose(act(thermal_relaxation(5.0, 7.0, 3.0), state), twice, atol=1e-15)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (amplitude_damping(0.3), qml.AmplitudeDamping(0.3, wires=0)),
        (phase_damping(0.3), qml.PhaseDamping(0.3, wires=0)),
        (bit_flip(0.3), qml.BitFlip(0.3, wires=0)),
        (phase_flip(0.3), qml.PhaseFlip(0.3, wires=0)),
        # their parameter is the probability of X, Y or Z: ours, less that of 1
        (depolarising(0.3, 1), qml.DepolarizingChannel(0.3 * 3 / 4, wires=0)),
        *(
            (thermal_relaxation(5.0, t2, 1.0), qml.ThermalRelaxationError(0, 5.0, t2, 1.0, wires=0))
            for t2 in (2.0, 5.0, 8.0, 10.0)
        ),
    ],
)
def test_they_are_pennylanes(ours, theirs):
    state = random_state(2)
    expected = act(theirs.kraus_matrices(), state)
    np.testing.assert_allclose(act(ours, state), expected, atol=1e-8)  # their ε is 1e-9


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("amplitude_damping", (-0.1,), "Argument `gamma` must be a probability, from 0 to 1"),
        ("phase_damping", (1.1,), "Argument `gamma` must be a probability"),
        ("bit_flip", (math.nan,), "Argument `p` must be a probability"),
        ("phase_flip", (2.0,), "Argument `p` must be a probability"),
        ("depolarising", (-1.0, 2), "Argument `p` must be a probability"),
        ("thermal_relaxation", (0.0, 1.0, 1.0), "Argument `t1` must be positive, but t1=0"),
        (
            "thermal_relaxation",
            (1.0, 2.1, 1.0),
            "`t2` must be positive and at most 2 t1 = 2",
        ),
        ("thermal_relaxation", (1.0, 0.0, 1.0), "Argument `t2` must be positive"),
        ("thermal_relaxation", (1.0, 1.0, -1.0), "Argument `duration` must be at least 0"),
    ],
)
def test_refuses(name, setting, message):
    with pytest.raises(InputError) as error:
        CHANNELS[name].kraus(*setting)
    assert message in str(error.value)
