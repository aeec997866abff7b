"""Noisy circuits, against closed forms and PennyLane's default.mixed."""

import math
import pickle
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, jacfwd, jacrev, vmap

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.devices import density, parameter_shift, reference, sampled
from fedqml.quantum.noise import CHANNELS, Noise
from fedqml.quantum.noise.channels import depolarising

from .. import dense
from ..strategies import arguments, circuits, noises, numbers, some, value_and_gradients
from .test_against_pennylane import LETTERS, THEIRS, qml

NONE = torch.zeros(0, dtype=torch.float64)
NOISE = {
    "one_qubit": {"amplitude_damping": 0.03, "depolarising": 0.01},
    "two_qubit": {"thermal_relaxation": {"t1": 5.0, "t2": 7.0, "duration": 0.3}, "bit_flip": 0.02},
    "readout": {"p01": 0.02, "p10": 0.05},
}
PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1", "X0 Y2")

CHANNEL = {
    "amplitude_damping": qml.AmplitudeDamping,
    "phase_damping": qml.PhaseDamping,
    "thermal_relaxation": lambda *times, wires: qml.ThermalRelaxationError(0, *times, wires=wires),
    "bit_flip": qml.BitFlip,
    "phase_flip": qml.PhaseFlip,
    "depolarising": lambda p, wires: qml.DepolarizingChannel(0.75 * p, wires=wires),
}


def once(circuit, noise, *weights):
    w = torch.tensor(weights, dtype=torch.float64)
    return density(noise)(circuit, NONE, w)


def close(found, *expected, atol=1e-15):
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=atol
    )


def pennylane(noise):
    """A device of one example; what is misread, read from probabilities of all outcomes."""

    def add_noise(op):
        qubits = [noise.qubit(wire) for wire in op.wires]
        for channel in noise.after(op.gate, tuple(qubits)):
            if channel.name == "depolarising" and len(qubits) == 2:
                kraus = list(depolarising(*channel.values, 2))
                qml.QubitChannel(kraus, wires=op.wires)
                continue
            for wire, qubit in zip(op.wires, qubits, strict=True):
                chosen = [v[qubit] if isinstance(v, tuple) else v for v in channel.values]
                CHANNEL[channel.name](*chosen, wires=wire)

    def evaluate(circuit, x, w):
        def value(word):
            @qml.qnode(
                qml.device("default.mixed", wires=circuit.n_qubits),
                interface="torch",
                diff_method="backprop",
            )
            def node():
                for op in circuit.ops:
                    angle = [] if op.angle is None else [dense.angle_value(op.angle, x, w)]
                    THEIRS[op.gate](*angle, wires=op.wires)
                    add_noise(op)
                for letter, wire in zip(word.letters, word.wires, strict=True):
                    LETTERS[letter].compute_diagonalizing_gates(wires=wire)
                return qml.state()

            # the probabilities of all outcomes (those of PennyLane have gradients of NaN at 0)
            means = node().diagonal().real.to(torch.float64).reshape((2,) * circuit.n_qubits)
            for wire in reversed(range(circuit.n_qubits)):
                p01, p10 = (
                    p[noise.qubit(wire)] if isinstance(p, tuple) else p
                    for p in (noise.readout.p01, noise.readout.p10)
                )
                # the mean of ±1 if the bit is 0, and if it is 1
                read = [1 - 2 * p01, 2 * p10 - 1] if wire in word.wires else [1, 1]
                means = means @ torch.tensor(read, dtype=torch.float64)
            return means

        return torch.stack([value(word) for word in circuit.observables])

    return evaluate


def test_every_channel_has_its_counterpart():
    assert set(CHANNEL) == set(CHANNELS)


@settings(deadline=None, max_examples=30)
@given(circuits(max_ops=8), noises(), st.integers(0, 1000))
def test_random_circuits_equal_pennylane(circuit, table, seed):
    noise = Noise.from_dict(table)
    x, w = arguments(circuit, seed)
    found = value_and_gradients(density(noise), circuit, x, w)
    expected = value_and_gradients(pennylane(noise), circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        # PennyLane adds 1e-9 inside of square roots
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)


@some
@given(circuits(), st.sampled_from([(), (0,), (3,)]), st.integers(0, 1000))
def test_noise_of_strength_zero_is_none(circuit, batch, seed):
    zero = {name: 0 for name in CHANNELS if name != "thermal_relaxation"}
    zero["thermal_relaxation"] = {"t1": 1.0, "t2": 2.0, "duration": 0}
    x, w = arguments(circuit, seed, *batch)
    device = density({"one_qubit": zero, "two_qubit": zero, "readout": 0})
    found = value_and_gradients(device, circuit, x, w)
    expected = value_and_gradients(reference(), circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_depolarising_shrinks_the_bloch_vector():
    circuit = Circuit(1, (Op("ry", (0,), Angle.weight(0)),) * 3).measure("X0", "Z0")
    found = once(circuit, {"one_qubit": {"depolarising": 0.1}}, 0.3)
    close(found, 0.9**3 * math.sin(0.9), 0.9**3 * math.cos(0.9))


def test_depolarising_of_pairs_forgets_both_qubits():
    bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1)))).measure("Z0 Z1", "X0 X1", "Y0 Y1", "Z0")
    close(once(bell, {"two_qubit": {"depolarising": 0.1}}), 0.9, 0.9, -0.9, 0)


def test_flips():
    plus = Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure("X0", "Z0")
    x, z = math.sin(0.3), math.cos(0.3)
    close(once(plus, {"one_qubit": {"bit_flip": 0.1}}, 0.3), x, 0.8 * z)
    close(once(plus, {"one_qubit": {"phase_flip": 0.1}}, 0.3), 0.8 * x, z)
    close(once(plus, {"one_qubit": {"phase_damping": 0.36}}, 0.3), 0.8 * x, z)


def test_damping_ends_in_zero_whatever_was_before():
    turn = Op("ry", (0,), Angle.weight(0))
    circuit = Circuit(1, (turn, *(Op("z", (0,)),) * 400)).measure("X0", "Z0")
    close(once(circuit, {"one_qubit": {"amplitude_damping": 0.1}}, 2.5), 0, 1, atol=1e-8)


@pytest.mark.parametrize("t2", [2.0, 5.0, 8.0, 10.0])
def test_relaxation_is_exponential_in_time(t2):
    """While 40 gates of phase, which turn the Bloch vector about z only, take 0.1 each."""
    circuit = Circuit(1, (Op("ry", (0,), Angle.weight(0)), *(Op("s", (0,)),) * 40))
    times = {"thermal_relaxation": {"t1": 5.0, "t2": t2, "duration": 0.1}}
    found = once(circuit.measure("X0", "Z0"), {"gates": {"s": times}}, 2.5)
    z = 1 + (math.cos(2.5) - 1) * math.exp(-4 / 5)
    close(found, math.sin(2.5) * math.exp(-4 / t2), z, atol=1e-14)


def test_misread_bits_mix_a_word_with_its_parts():
    bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1)), Op("ry", (1,), Angle.weight(0))))
    readout = {"p01": [0.01, 0.03], "p10": [0.05, 0.02]}
    found = once(bell.measure("Z0", "Z1", "Z0 Z1", "X0 X1"), {"readout": readout}, 0.4)
    (a, b), (c, d) = (0.94, 0.04), (0.95, -0.01)
    both = math.cos(0.4)
    close(found, b, d, a * c * both + b * d, a * c * both + b * d)


def test_each_qubit_has_the_noise_of_that_qubit_of_the_device():
    flips = {"one_qubit": {"bit_flip": [0.1, 0.2, 0.3]}, "readout": [0.0, 0.05, 0.0]}
    circuit = Circuit(2, (Op("x", (0,)), Op("x", (1,)))).measure("Z0", "Z1")
    close(once(circuit, flips), -0.8, -0.6 * 0.9)
    close(once(circuit, {**flips, "qubits": [2, 0]}), -0.4, -0.8)


def test_gates_that_are_left_out_could_not_be_noticed():
    """Both qubits of a word keep all gates in front of them."""
    ops = [Op("ry", (q,), Angle.weight(q)) for q in range(3)]
    late = (Op("cx", (1, 2)), Op("rx", (2,), Angle.weight(1)), Op("h", (1,)))
    circuit = Circuit(3, (*ops, Op("cx", (0, 1)), *late))
    w = numbers(3, 3)
    part, whole = (
        density(NOISE)(circuit.measure(*words), NONE, w) for words in (["Z0"], ["Z0", "X0 Y1 Z2"])
    )
    torch.testing.assert_close(part, whole[:1], rtol=0, atol=1e-15)


def test_precision_and_derivatives_of_every_kind():
    device, x, w = density(NOISE), numbers(1, 3, 4), numbers(2, 24)
    exact = device(PAPER, x, w)
    single = device(PAPER, x.float(), w.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=1e-5)
    small = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("X0", "Z0 Y1")
    x, w = numbers(1, 2).requires_grad_(), numbers(2, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda *values: device(small, *values), (x, w))
    assert torch.autograd.gradgradcheck(lambda *values: device(small, *values), (x, w))
    forward, backward = (f(lambda v: device(small, x, v))(w) for f in (jacfwd, jacrev))
    torch.testing.assert_close(forward, backward)


def test_clients_mapped_are_clients_alone():
    x, w = numbers(1, 3, 5, 4), numbers(2, 3, 24)

    def loss(w, x):
        return density(NOISE)(PAPER, x, w).square().sum()

    together = vmap(grad(loss, argnums=(0, 1)))(w, x)
    for k in range(3):
        for one, other in zip(grad(loss, argnums=(0, 1))(w[k], x[k]), together, strict=True):
            torch.testing.assert_close(one, other[k], rtol=0, atol=1e-12)


@some
@given(circuits(max_ops=8), noises(), st.integers(0, 1000))
def test_the_shift_rule_holds_with_noise(circuit, table, seed):
    x, w = arguments(circuit, seed, 2)
    found = value_and_gradients(parameter_shift(density(table)), circuit, x, w)
    expected = value_and_gradients(density(table), circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_shots_of_noisy_circuits():
    """Bits misread included: Z and X of the same qubits need two settings."""
    circuit = PAPER.measure("Z0", "Z1", "Z0 Z1", "X0 X1")
    x, w, shots = numbers(1, 4), numbers(2, 24), 100_000
    exact = density(NOISE)(circuit, x, w)
    found = sampled(density(NOISE), shots=shots)(circuit, x, w, torch.tensor(3))
    allowed = 4 * ((1 - exact**2) / shots).sqrt()
    assert ((found - exact).abs() < allowed).all()
    assert (density()(circuit, x, w) - exact).abs().max() > 2 * allowed.max()


def test_noise_travels_with_the_device():
    x, w = arguments(PAPER, 1, 3)
    device = density(NOISE)
    assert device == density(Noise.from_dict(NOISE)) != density()
    twin = pickle.loads(pickle.dumps(device))  # noqa: S301 - our own bytes
    assert twin == device
    assert twin.evaluate.settings == (Noise.from_dict(NOISE),)
    assert torch.equal(twin(PAPER, x, w), device(PAPER, x, w))
    assert not torch.allclose(device(PAPER, x, w), density()(PAPER, x, w), atol=1e-3)


def test_examples_in_parts_are_the_examples_together(monkeypatch):
    device = density(NOISE)
    alone = ansatze.rot_cnot(2).measure("Z0", "Z1")
    cases = (PAPER, numbers(1, 2, 5, 4), numbers(2, 24)), (alone, numbers(1, 7, 0), numbers(2, 12))
    whole = [device(circuit, x, w) for circuit, x, w in cases]
    monkeypatch.setattr(sys.modules["fedqml.quantum.devices.density"], "_NUMBERS", 700)
    for expected, (circuit, x, w) in zip(whole, cases, strict=True):
        torch.testing.assert_close(device(circuit, x, w), expected, rtol=0, atol=1e-14)


def test_other_devices_of_pytorch():
    x, w = torch.zeros(3, 4, device="meta"), torch.zeros(24, device="meta")
    result = density(NOISE)(PAPER, x, w)
    assert result.device == torch.device("meta")
    assert result.shape == (3, 3)


def test_refuses():
    with pytest.raises(InputError, match=r"must be at most 12 for the device density.* 0\.5 GiB"):
        density()(Circuit(13, ()).measure("Z0"), NONE, NONE)
    with pytest.raises(InputError, match="Argument `noise: key` must be one of"):
        density({"p": 0.1})
