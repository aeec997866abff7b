"""The estimate of what noise leaves, against exact simulation."""

import pytest
import torch

from fedqml.quantum.ansatze import rot_cnot
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.devices import density, parameter_shift, reference, sampled, spsa, trajectories
from fedqml.quantum.noise import Noise
from fedqml.quantum.noise.attenuation import attenuation
from fedqml.quantum.operation import Op

DEPOLARISING = {"one_qubit": {"depolarising": 0.02}, "two_qubit": {"depolarising": 0.05}}


def test_without_noise_all_is_left():
    assert attenuation(rot_cnot(3).measure("Z0", "Z1 Z2"), Noise()) == 1


@pytest.mark.parametrize(
    ("channels", "left"),
    [
        ({"depolarising": 0.3}, 0.7),
        ({"bit_flip": 0.3}, 1 - 4 / 3 * 0.3),
        ({"bit_flip": 1.0}, 0.0),
        ({"depolarising": 0.3, "phase_flip": 0.1}, 0.7 * (1 - 4 / 3 * 0.1)),
    ],
)
def test_channels_by_their_closed_form(channels, left):
    circuit = Circuit(1, (Op("h", (0,)),)).measure("Z0")
    found = attenuation(circuit, Noise.from_dict({"one_qubit": channels}))
    assert found == pytest.approx(left, abs=1e-12)


def test_readout_is_that_of_the_wires_measured():
    noise = Noise.from_dict({"readout": {"p01": [0.1, 0.0], "p10": [0.1, 0.2]}})
    words = Circuit(2, ()).measure("Z0", "Z0 Z1")
    assert attenuation(words, noise) == pytest.approx((0.8 + 0.8 * 0.8) / 2)


def test_it_is_the_factor_where_every_error_is_noticed():
    circuit = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1)))).measure("X0 X1", "Z0 Z1", "Y0 Y1")
    noise = Noise.from_dict({"two_qubit": {"depolarising": 0.05}, "readout": 0.01})
    none = torch.zeros(0, dtype=torch.float64)
    exact, noisy = (device(circuit, none, none) for device in (reference(), density(noise)))
    torch.testing.assert_close(noisy, attenuation(circuit, noise) * exact)


def test_in_general_it_is_near_what_is_left_of_the_values():
    circuit = rot_cnot(3, depth=2).measure("Z0", "Z1", "Z2")
    noise = Noise.from_dict(DEPOLARISING)
    w = torch.randn(40, circuit.n_weights, generator=torch.Generator().manual_seed(0)).double()
    x = torch.zeros(0, dtype=torch.float64)
    exact, noisy = (
        torch.stack([device(circuit, x, own) for own in w])
        for device in (reference(), density(noise))
    )
    left = float((exact * noisy).sum() / exact.square().sum())
    assert attenuation(circuit, noise) == pytest.approx(left, abs=0.15)


def test_gates_outside_the_light_cone_do_not_count():
    near, far = Op("h", (0,)), Op("cx", (1, 2))
    noise = Noise.from_dict(DEPOLARISING)
    whole = attenuation(Circuit(3, (near, far)).measure("Z0"), noise)
    assert whole == attenuation(Circuit(3, (near,)).measure("Z0"), noise) == pytest.approx(0.98)


def test_devices_know_their_noise_through_what_is_around_them():
    noise = Noise.from_dict(DEPOLARISING)
    noisy = density(DEPOLARISING)
    for device in (
        noisy,
        trajectories(noise),
        parameter_shift(noisy),
        sampled(noisy, shots=5),
        spsa(sampled(noisy)),
    ):
        assert device.noise == noise
    assert sampled().noise == Noise()
