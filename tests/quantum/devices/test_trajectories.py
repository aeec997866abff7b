"""Estimates against the exact values of ``density``, and what only samples promise."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import grad, vmap

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.device import Cost
from fedqml.quantum.devices import density, trajectories
from fedqml.quantum.devices.trajectories import _mixture
from fedqml.quantum.noise import Noise
from fedqml.quantum.noise.channels import CHANNELS
from fedqml.quantum.transfer import transfer_matrix

from ..strategies import arguments, circuits, noises, numbers, some
from .test_density import NOISE, PAPER

KEY = torch.tensor(7)


def deviations(estimates, exact):
    """How many standard errors the means over the first axis lie from what they should be."""
    # some of the angles have no influence
    error = estimates.std(0) / len(estimates) ** 0.5 + 1e-12
    return (estimates.mean(0) - exact).abs() / error


@some
@given(circuits(max_qubits=3, max_ops=6), noises(), st.integers(0, 1000))
def test_means_of_random_circuits(circuit, table, seed):
    x, w = (v.detach() for v in arguments(circuit, seed))
    exact = density(table)(circuit, x, w)
    rows = x.expand(1000, -1)
    found = trajectories(table, samples=1)(circuit, rows, w, torch.tensor(seed))
    # the last term is for errors so rare that no sample may have met them
    allowed = 5 * found.std(0) / len(rows) ** 0.5 + 20 / len(rows)
    assert ((found.mean(0) - exact).abs() < allowed).all()


def test_values_and_gradients_are_right_in_the_mean():
    """Those of weights and inputs; damping, whose weights depend on the state, included."""
    x, w = numbers(1, 4), numbers(2, 24)

    def loss(device, *key):
        return lambda w, x: device(PAPER, x, w, *key) @ numbers(3, 3)

    exact = grad(loss(density(NOISE)), argnums=(0, 1))(w, x)
    keys = torch.arange(500)
    device = trajectories(NOISE, samples=8)
    found = vmap(lambda key: grad(loss(device, key), argnums=(0, 1))(w, x))(keys)
    for one, other in zip(found, exact, strict=True):
        assert (deviations(one, other) < 4).all()
        # and the test could tell a wrong one
        assert (deviations(one, 0.8 * other) > 4).any()


def test_gradients_are_the_derivatives_of_the_estimates():
    small = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("X0", "Z0 Y1")
    x, w = arguments(small, 1, 2)
    device = trajectories(NOISE, samples=20)
    assert torch.autograd.gradcheck(lambda *values: device(small, *values, KEY), (x, w))


def test_equal_keys_give_equal_bits():
    device, x, w = trajectories(NOISE, samples=10), numbers(1, 5, 4), numbers(2, 24)
    found = device(PAPER, x, w, KEY)
    assert torch.equal(found, device(PAPER, x, w, KEY))
    assert not torch.isclose(found, device(PAPER, x, w, KEY + 1)).any()
    # examples draw for themselves, whatever their company
    close = {"rtol": 0, "atol": 1e-14}
    torch.testing.assert_close(device(PAPER, x[:2], w, KEY), found[:2], **close)
    keys = torch.tensor([3, 4, 3])
    own = device(PAPER, x[:1].expand(3, -1), w, keys)
    torch.testing.assert_close(own[0], own[2], **close)
    assert not torch.isclose(own[0], own[1]).any()
    torch.testing.assert_close(own[1], device(PAPER, x[0], w, torch.tensor(4)), **close)


def test_clients_mapped_are_clients_alone():
    x, w, keys = numbers(1, 3, 5, 4), numbers(2, 3, 24), torch.arange(3)
    device = trajectories(NOISE, samples=10)

    def loss(w, x, key):
        return device(PAPER, x, w, key).square().sum()

    together = vmap(grad(loss, argnums=(0, 1)))(w, x, keys)
    for k in range(3):
        alone = grad(loss, argnums=(0, 1))(w[k], x[k], keys[k])
        for one, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one, other[k], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *((name, (p,)) for name in ("amplitude_damping", "phase_damping") for p in (0.0, 0.3, 1.0)),
        ("thermal_relaxation", (5.0, 7.0, 1.0)),
        ("depolarising", (0.3, 2)),
    ],
)
def test_what_is_drawn_is_the_channel(name, setting):
    kraus = CHANNELS[name].kraus(*setting)
    mixture = _mixture(kraus)
    probabilities = np.diff([0, *mixture.bounds, 1])
    assert (probabilities > 0).all()
    drawn = np.sqrt(probabilities)[:, None, None] * mixture.operators
    np.testing.assert_allclose(transfer_matrix(drawn), transfer_matrix(kraus), atol=1e-15)


@pytest.mark.parametrize("name", ["bit_flip", "phase_flip", "phase_damping", "depolarising"])
def test_mixtures_of_unitaries_keep_the_norm(name):
    definition = CHANNELS[name]
    for size in (1, 2) if definition.joint else (None,):
        operators = _mixture(definition.kraus(0.3, *[size] if size else [])).operators
        for operator in operators:
            one = torch.eye(len(operator), dtype=torch.complex128)
            torch.testing.assert_close(torch.tensor(operator.conj().T @ operator), one)


def test_the_variance_is_bounded_as_the_documentation_says():
    """Ten times a gate and damping γ; for an eigenstate that decays, the bound is sharp."""
    gamma, count = 0.1, 10
    bound = (1 - gamma / 2) ** -count
    device = trajectories({"one_qubit": {"amplitude_damping": gamma}}, samples=1)
    for gate, sharp in ((Op("z", (0,)), True), (Op("ry", (0,), Angle.weight(0)), False)):
        circuit = Circuit(1, (gate,) * count).measure("Z0")
        w = torch.full((circuit.n_weights,), 0.4, dtype=torch.float64)
        x = torch.zeros(20_000, 0, dtype=torch.float64)
        found = device(circuit, x, w, KEY)
        second = float((found**2).mean())
        assert second < bound * 1.05
        assert (second > bound * 0.95) == sharp


def test_without_channels_there_is_nothing_to_draw():
    x, w = numbers(1, 5, 4), numbers(2, 24)
    readout = {"readout": {"p01": 0.02, "p10": 0.05}}
    found = trajectories(readout)(PAPER, x, w, KEY)
    torch.testing.assert_close(found, density(readout)(PAPER, x, w), rtol=0, atol=1e-14)


def test_many_qubits():
    n = 14
    ops = (Op("h", (0,)), *(Op("cx", (q, q + 1)) for q in range(n - 1)))
    circuit = Circuit(n, ops).measure(f"Z0 Z{n - 1}")
    device = trajectories({"two_qubit": {"bit_flip": 0.01}}, samples=100)
    found = float(device(circuit, torch.zeros(0), torch.zeros(0), KEY))
    # flips of all targets reach the last qubit, but of the controls' only that of the first counts
    mean = 0.98**n
    assert abs(found - mean) < 4 * ((1 - mean**2) / 100) ** 0.5


def test_examples_in_parts_are_the_examples_together(monkeypatch):
    device = trajectories(NOISE, samples=10)
    alone = ansatze.rot_cnot(2).measure("Z0", "Z1")
    cases = (PAPER, numbers(1, 2, 5, 4), numbers(2, 24)), (alone, numbers(1, 7, 0), numbers(2, 12))
    whole = [device(circuit, x, w, KEY) for circuit, x, w in cases]
    monkeypatch.setattr(sys.modules["fedqml.quantum.devices.trajectories"], "_AMPLITUDES", 700)
    for expected, (circuit, x, w) in zip(whole, cases, strict=True):
        torch.testing.assert_close(device(circuit, x, w, KEY), expected, rtol=0, atol=1e-14)


def test_other_devices_of_pytorch():
    x, w = torch.zeros(3, 4, device="meta"), torch.zeros(24, device="meta")
    result = trajectories(NOISE)(PAPER, x, w, torch.tensor(7, device="meta"))
    assert result.device == torch.device("meta")
    assert result.shape == (3, 3)


def test_costs_and_refusals():
    device = trajectories(NOISE, samples=30)
    assert device.random
    assert device == trajectories(Noise.from_dict(NOISE), samples=30) != trajectories(NOISE)
    assert device.forward(PAPER) == device.gradient(PAPER, True) == Cost(30)
    with pytest.raises(InputError, match="Argument `samples` must be at least 1"):
        trajectories(samples=0)
    with pytest.raises(InputError, match="Argument `key` must be given"):
        device(PAPER, torch.zeros(4), torch.zeros(24))
