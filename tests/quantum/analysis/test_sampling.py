import math

import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import Circuit, Op, ansatze, encodings
from fedqml.quantum.analysis import entangling_capability, expressibility, sampling
from fedqml.quantum.devices.reference import simulate

from .. import dense

CIRCUIT = encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)


def test_weights_are_uniform_and_inputs_normal_and_both_repeatable():
    w = sampling.weights(CIRCUIT, 20000, seed=3)
    x = sampling.inputs(CIRCUIT, 20000, seed=3)
    assert w.shape == (20000, 6)
    assert 0 <= w.min() < 0.01
    assert 2 * math.pi - 0.01 < w.max() < 2 * math.pi
    torch.testing.assert_close(w.mean(0), torch.full((6,), torch.pi).double(), rtol=0, atol=0.06)
    torch.testing.assert_close(x.mean(0), torch.zeros(2).double(), rtol=0, atol=0.03)
    torch.testing.assert_close(x.std(0), torch.ones(2).double(), rtol=0, atol=0.03)
    assert torch.equal(w, sampling.weights(CIRCUIT, 20000, seed=3))
    assert not torch.equal(w, sampling.weights(CIRCUIT, 20000, seed=4))
    assert not torch.equal(w, sampling.weights(CIRCUIT, 20000, seed=3, part=1))


@pytest.mark.parametrize("circuit", [CIRCUIT, encodings.arctan(2), ansatze.rot_cnot(2)])
def test_states_are_first_columns_of_the_unitaries(circuit):
    x, w = sampling.inputs(circuit, 4, seed=0), sampling.weights(circuit, 4, seed=0)
    expected = torch.stack([dense.unitary(circuit, a, b)[:, 0] for a, b in zip(x, w, strict=True)])
    torch.testing.assert_close(sampling.states(circuit, x, w), expected, rtol=0, atol=1e-13)


def test_a_circuit_that_reads_nothing_has_a_state_for_every_sample():
    circuit = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1))))
    x, w = sampling.inputs(circuit, 3, seed=0), sampling.weights(circuit, 3, seed=0)
    expected = torch.tensor([[0.5**0.5, 0, 0, 0.5**0.5]] * 3, dtype=torch.complex128)
    torch.testing.assert_close(sampling.states(circuit, x, w), expected)


def test_many_qubits_are_evaluated_in_pieces():
    circuit = ansatze.basic_entangling(4, 1)
    x, w = sampling.inputs(circuit, 7, seed=0), sampling.weights(circuit, 7, seed=0)
    sizes = []

    def overlap(left, right):
        sizes.append((len(left), len(right)))
        return (left.conj() * right).sum(-1).abs()

    expected = overlap(*(sampling.states(circuit, x, some) for some in (w, w.flip(0))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_AMPLITUDES", 2 * 2 * 2**4 + 1)
        found = sampling.over_states(overlap, circuit, x, w, w.flip(0))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)
    assert sizes == [(7, 7), (2, 2), (2, 2), (2, 2), (1, 1)]


@pytest.mark.parametrize("analysis", [expressibility, entangling_capability])
def test_no_more_states_are_kept_than_fit(monkeypatch, analysis):
    circuit, kept = ansatze.basic_entangling(4, 1), []
    expected = analysis(circuit, 50)

    def counted(circuit, x, w):
        kept.append(len(w))
        return states(circuit, x, w)

    states = sampling.states
    monkeypatch.setattr(sampling, "_AMPLITUDES", 8 * 2**4)
    monkeypatch.setattr(sampling, "states", counted)
    found = analysis(circuit, 50)
    assert max(kept) <= 8
    for name, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-12)
    with pytest.raises(InputError, match="`n_qubits` must be at most 26 for a state vector"):
        analysis(Circuit(27, ()), 2)


def test_slopes_are_differences():
    circuit = CIRCUIT.measure("Z0", "X0 Y1")
    found = sampling.slopes(circuit, 3, seed=1)
    x, w = sampling.inputs(circuit, 3, seed=1), sampling.weights(circuit, 3, seed=1)
    step = 1e-5
    for k in range(3):
        for j in range(6):
            move = torch.zeros(6, dtype=torch.float64)
            move[j] = step
            ends = simulate(circuit, x[k], w[k] + move), simulate(circuit, x[k], w[k] - move)
            expected = (ends[0] - ends[1]) / (2 * step)
            torch.testing.assert_close(found[k, :, j], expected, rtol=0, atol=1e-9)


def test_refuses():
    with pytest.raises(InputError, match="Argument `samples` must be at least 1"):
        sampling.weights(CIRCUIT, 0, seed=0)
    with pytest.raises(InputError, match=r"`circuit.n_weights` must be at least 1"):
        sampling.slopes(encodings.arctan(2).measure("Z0"), 5, seed=0)
    with pytest.raises(InputError, match=r"`circuit.observables` must have at least one"):
        sampling.slopes(CIRCUIT, 5, seed=0)
