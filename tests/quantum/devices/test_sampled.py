"""Shots against the closed forms of their statistics."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import grad, vmap

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Device, Op, ansatze, devices, encodings
from fedqml.quantum.device import Cost
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.pauli import measurement_settings

from ..strategies import arguments, circuits, numbers, some
from .counting import counting, rows

NONE = torch.zeros(0, dtype=torch.float64)
BELL = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1))))
KEYS = torch.arange(4000)


def draw(circuit, shots, w=NONE, keys=KEYS, inner=None):
    """One set of shots of the same circuit for every key."""
    x = torch.zeros(len(keys), 0, dtype=w.dtype)
    return devices.sampled(inner, shots)(circuit, x, w, keys)


def close(found, expected, spread):
    """Within five standard errors of a mean over all keys."""
    assert abs(float(found) - expected) <= 5 * spread / math.sqrt(len(KEYS))


def turn(*words):
    return Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure(*words)


def test_the_halves_of_a_bell_pair_agree_in_every_shot():
    values = draw(BELL.measure("Z0", "Z1", "Z0 Z1", "X0", "X1", "X0 X1", "Y0 Y1"), 25)
    assert torch.equal(values[:, 0], values[:, 1])
    assert torch.equal(values[:, 3], values[:, 4])
    assert (values[:, [2, 5]] == 1).all()
    assert (values[:, 6] == -1).all()
    assert (values[:, 0] != values[:, 3]).any()  # another setting, other shots
    close(values[:, 0].mean(), 0, 0.2)
    assert abs(float(values[:, 0].var()) - 1 / 25) < 5 * math.sqrt(2 / len(KEYS)) / 25


@pytest.mark.parametrize("shots", [1, 2, 100])
def test_mean_and_variance_of_a_turned_qubit(shots):
    w = torch.tensor([0.8], dtype=torch.float64)
    values = draw(turn("Z0"), shots, w)[:, 0]
    spread = math.sin(0.8) / math.sqrt(shots)
    close(values.mean(), math.cos(0.8), spread)
    squares = (values - math.cos(0.8)).square()
    close(squares.mean(), spread**2, float(squares.std()))
    # numbers of shots, and of both parities
    hits = (values + 1) * shots / 2
    torch.testing.assert_close(hits, hits.round())
    assert len(hits.round().unique()) > min(shots, 8)


def test_covariances_are_those_of_joint_shots():
    """Z0, Z1 and their product in one setting, X0 in another."""
    ops = (Op("ry", (0,), Angle.weight(0)), Op("cry", (0, 1), Angle.weight(1)))
    circuit = Circuit(2, ops).measure("Z0", "Z1", "Z0 Z1", "X0")
    w = torch.tensor([1.1, 0.7], dtype=torch.float64)
    z0, z1, both, _ = exact = simulate(circuit, NONE, w)
    values = draw(circuit, 10, w) - exact
    for a, b, expected in (
        (0, 1, both - z0 * z1),
        (0, 2, z1 - z0 * both),
        (1, 2, z0 - z1 * both),
        (0, 3, 0.0),
        (2, 3, 0.0),
    ):
        products = values[:, a] * values[:, b]
        close(products.mean(), float(expected) / 10, float(products.std()))


@some
@given(circuits(max_qubits=3), st.integers(0, 1000))
def test_a_single_shot_has_the_products_of_its_outcomes(circuit, seed):
    """Words of one setting have outcomes ±1, which multiply as the words do."""
    first = circuit.observables[0]
    for word in circuit.observables[1:]:
        if len(measurement_settings([first, word])) == 2:
            continue
        letters = [dict(zip(p.wires, p.letters, strict=True)) for p in (first, word)]
        left = sorted(letters[0].keys() ^ letters[1].keys())
        if not left:
            continue
        product = " ".join(f"{(letters[0] | letters[1])[wire]}{wire}" for wire in left)
        x, w = (v.detach() for v in arguments(circuit, seed, 20))
        device = devices.sampled(shots=1)
        values = device(circuit.measure(first, word, product), x, w, torch.tensor(seed))
        assert (values.abs() == 1).all()
        assert torch.equal(values[:, 0] * values[:, 1], values[:, 2])


def test_many_words_are_measured_ten_at_a_time():
    qubits = 12
    circuit = (encodings.arctan(qubits) + ansatze.rot_cnot(qubits, 1)).measure(
        *(f"Z{q}" for q in range(qubits)), "Z0 Z1", "Z0"
    )
    inner, calls = counting()
    device = devices.sampled(inner, shots=2000)
    assert device.forward(circuit) == Cost(2, 4000)
    x, w = (v.detach() for v in arguments(circuit, 1, 3))
    values = device(circuit, x, w, torch.tensor(1))
    assert rows(calls) == 3  # all settings in one call
    exact = simulate(circuit, x, w)
    assert ((values - exact).abs() <= 5 * ((1 - exact**2) / 2000).sqrt() + 1e-9).all()


def test_gradients_cost_a_set_of_shots_for_every_shifted_circuit():
    circuit = (encodings.arctan(2) + ansatze.rot_cnot(2, 1)).measure("Z0", "X0", "Z1")
    device = devices.sampled(shots=50)
    assert device.random
    assert device.forward(circuit) == Cost(2, 100)
    assert device.gradient(circuit, True) == (1 + 2 * 10) * Cost(2, 100)
    assert device.gradient(circuit, False) == (1 + 2 * 6) * Cost(2, 100)


def test_the_gradient_spreads_as_two_shifted_circuits_do():
    """(f(w + π/2) - f(w - π/2)) / 2, where f is ∓sin w with variance cos²w / shots."""
    w = torch.tensor([0.5], dtype=torch.float64)
    device = devices.sampled(shots=20)
    slope = grad(lambda w, key: device(turn("Z0"), NONE, w, key).sum())
    found = vmap(slope, (None, 0))(w, KEYS)[:, 0]
    variance = math.cos(0.5) ** 2 / 2 / 20
    close(found.mean(), -math.sin(0.5), math.sqrt(variance))
    squares = (found + math.sin(0.5)).square()
    close(squares.mean(), variance, float(squares.std()))


def test_values_and_slopes_are_independent():
    w = torch.tensor([0.5], dtype=torch.float64)
    device = devices.sampled(shots=20)

    def both(w, key):
        slope, value = torch.func.grad_and_value(lambda w: device(turn("Z0"), NONE, w, key).sum())(
            w
        )
        return slope[0] + math.sin(0.5), value - math.cos(0.5)

    slopes, values = vmap(both, (None, 0))(w, KEYS)
    products = slopes * values
    close(products.mean(), 0, float(products.std()))


def depolarised(circuit, x, w):
    return 0.5 * simulate(circuit, x, w)


def test_shots_of_a_noisy_circuit():
    values = draw(BELL.measure("Z0", "Z1", "Z0 Z1"), 10, inner=Device(depolarised))
    products = values[:, 0] * values[:, 1]
    close(values[:, 2].mean(), 0.5, math.sqrt(0.75 / 10))
    close(products.mean(), 0.5 / 10, float(products.std()))
    assert not torch.equal(values[:, 0], values[:, 1])


def test_equal_keys_give_equal_values_in_any_company_and_precision():
    circuit = (encodings.arctan(3) + ansatze.rot_cnot(3, 1)).measure("Z0", "X1", "Z1 Z2")
    device, x, w = devices.sampled(shots=30), numbers(1, 1200, 3), numbers(2, 9)
    keys = torch.arange(1200)
    together = device(circuit, x, w, keys)
    assert torch.equal(device(circuit, x[1100:1103], w, keys[1100:1103]), together[1100:1103])
    single = device(circuit, x.float(), w.float(), keys)
    assert single.dtype == torch.float32
    # the same numbers are drawn; rounded inputs move a shot or two
    assert (single.double() - together).abs().max() <= 2 / 30 + 1e-6
    assert (single.double() - together).abs().mean() < 1e-3
    assert not torch.equal(device(circuit, x, w, keys + 1200), together)


def test_it_refuses():
    with pytest.raises(InputError, match="Argument `shots` must be at least 1, but shots=0"):
        devices.sampled(shots=0)
    with pytest.raises(InputError, match=r"Argument `device\.random` must be False"):
        devices.sampled(devices.sampled())
