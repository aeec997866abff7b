"""The device that gives circuits to PennyLane's devices."""

import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.core.resolve import settings as settings_of
from fedqml.quantum import Angle, Circuit, Op, QuantumLayer, ansatze, encodings
from fedqml.quantum.device import Cost
from fedqml.quantum.devices import pennylane, reference
from fedqml.quantum.devices import sampled as our_shots

from ...federations import AVERAGING, task
from ..strategies import arguments, circuits, numbers, value_and_gradients

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    qml = pytest.importorskip("pennylane")

SIMULATORS = ["default.qubit", "default.mixed", "lightning.qubit"]
PAPER = (encodings.arctan(3) + ansatze.rot_cnot(3, depth=1)).measure("Z0", "Z1", "X0 Y1")
KEY = torch.tensor(3)


@pytest.mark.parametrize("name", SIMULATORS)
@settings(deadline=None, max_examples=8)
@given(circuits(max_qubits=3, max_ops=6), st.sampled_from([(), (3,)]), st.integers(0, 1000))
def test_every_simulator_gives_the_references_values_and_gradients(name, circuit, batch, seed):
    x, w = arguments(circuit, seed, *batch)
    found = value_and_gradients(pennylane(name), circuit, x, w)
    expected = value_and_gradients(reference(), circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", SIMULATORS)
def test_shots_are_drawn_from_the_key_of_each_example(name):
    device = pennylane(name, shots=20)
    x, w = numbers(1, 4, 3), numbers(2, 9)
    keys = torch.arange(4)
    values = device(PAPER, x, w, keys)
    assert torch.equal(device(PAPER, x, w, keys), values)
    assert not torch.equal(device(PAPER, x, w, keys + 4), values)
    for number in range(4):  # alone as among others
        alone = device(PAPER, x[number], w, keys[number])
        assert torch.equal(alone, values[number])
    outcomes = (values + 1) * 10  # how many of the 20 were +1
    torch.testing.assert_close(outcomes, outcomes.round(), rtol=0, atol=1e-9)


def test_shots_have_the_right_mean_and_spread():
    turn = Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure("Z0")
    w = torch.tensor([1.0], dtype=torch.float64)
    keys, device = torch.arange(400), pennylane(shots=25)
    values = device(turn, torch.zeros(400, 0).double(), w, keys)[:, 0]
    mean, variance = w.cos().item(), w.sin().item() ** 2 / 25
    assert abs(values.mean() - mean) < 5 * (variance / 400) ** 0.5
    assert abs(values.var() / variance - 1) < 5 * (2 / 400) ** 0.5


def test_a_gradient_from_shots_is_right_on_average():
    w = numbers(2, 9)
    x = numbers(1, 3)

    def slope(device, key):
        leaf = w.clone().requires_grad_()
        return torch.autograd.grad(device(PAPER, x, leaf, key).sum(), leaf)[0]

    exact = slope(reference(), None)
    drawn = torch.stack([slope(pennylane(shots=500), torch.tensor(k)) for k in range(4)])
    assert (drawn.mean(0) - exact).abs().max() < 0.15
    assert not torch.equal(drawn[0], drawn[1])


def test_options_reach_the_device():
    x, w = numbers(1, 5, 3), numbers(2, 9)
    single = pennylane("lightning.qubit", options={"c_dtype": np.complex64, "wires": 5})
    error = (single(PAPER, x, w) - reference()(PAPER, x, w)).abs().max()
    assert 1e-9 < error < 1e-6


def hardware(monkeypatch, batches):
    """Let PennyLane's devices take no seeds, as hardware: it draws what it wants."""

    class Hardware(qml.devices.Device):
        name = "hardware"

        def __init__(self, wires=None):
            super().__init__(wires=wires)
            self.inner = qml.devices.DefaultQubit(wires=wires)

        def preprocess_transforms(self, execution_config=None):
            program = super().preprocess_transforms(execution_config)
            program.add_transform(qml.transforms.broadcast_expand)
            return program

        def execute(self, circuits, execution_config=None):
            batches.append(len(circuits))
            return self.inner.execute(circuits)

    monkeypatch.setattr(qml, "device", lambda name, wires: Hardware(wires=wires))


def test_a_device_without_seeds_takes_all_examples_at_once(monkeypatch):
    batches = []
    hardware(monkeypatch, batches)
    device = pennylane("some.hardware", shots=10000)
    x, w = numbers(1, 5, 3), numbers(2, 9)
    values = device(PAPER, x, w, KEY)
    assert batches == [5]
    exact = reference()(PAPER, x, w)
    assert (values - exact).abs().max() < 0.06
    leaf = w.clone().requires_grad_()
    device(PAPER, x, leaf, KEY).sum().backward()
    assert batches[1:] == [5, 5 * 2 * 9]


@pytest.mark.parametrize(
    "ops", [(Op("ry", (0,), Angle.weight(0)),), (Op("ry", (0,), Angle.constant(1.0)),), ()]
)
def test_equal_examples_have_shots_of_their_own(monkeypatch, ops):
    hardware(monkeypatch, [])
    circuit = Circuit(1, (Op("h", (0,)), *ops)).measure("Z0")
    device = pennylane("hardware.for.equal.rows", shots=1000)
    w = numbers(2, circuit.n_weights)
    values = device(circuit, torch.zeros(20, 0).double(), w, KEY)
    assert len(values.unique()) > 10


def test_costs_are_evaluations_and_shots():
    exact, shots = pennylane(), pennylane(shots=100)
    shifts = 2 * 9 + 2 * 6
    assert exact.forward(PAPER) == Cost(1)
    assert exact.gradient(PAPER, True) == Cost(1 + shifts)
    assert shots.forward(PAPER) == Cost(2, 200)
    assert shots.gradient(PAPER, True) == (1 + shifts) * Cost(2, 200)
    assert shots.forward(PAPER) == our_shots(shots=100).forward(PAPER)


def test_it_can_be_used_in_threads_and_after_pickling():
    device = pennylane("lightning.qubit")
    x, w = numbers(1, 2, 3), numbers(2, 9)
    expected = device(PAPER, x, w)
    twin = pickle.loads(pickle.dumps(device))  # noqa: S301 - our own bytes
    assert torch.equal(twin(PAPER, x, w), expected)
    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(lambda _: device(PAPER, x, w), range(4)):
            assert torch.equal(found, expected)


def test_large_batches_are_divided(monkeypatch):
    module = sys.modules["fedqml.quantum.devices.pennylane"]
    monkeypatch.setattr(module, "_ENTRIES", 2 * 4**3)
    x, w = numbers(1, 5, 3), numbers(2, 9)
    found = pennylane()(PAPER, x, w)
    torch.testing.assert_close(found, reference()(PAPER, x, w), rtol=0, atol=1e-12)


def test_what_cannot_be_used_is_refused():
    none = torch.zeros(0)
    circuit = Circuit(2, ()).measure("Z0")
    with pytest.raises(InputError, match="`shots` must be at least 1"):
        pennylane(shots=0)
    with pytest.raises(InputError, match=r"`options\['seed'\]` must be left out"):
        pennylane(options={"seed": 3})
    with pytest.raises(InputError, match=r"`name` must be a device that PennyLane can open"):
        pennylane("no.such.device")(circuit, none, none)


def test_equal_settings_give_equal_devices():
    options = {"wires": [0, 1]}
    assert pennylane(shots=3, options=options) == pennylane(shots=3, options=dict(options))
    assert pennylane() != pennylane("default.mixed")
    assert pennylane() != pennylane(options={"wires": 3})
    assert pennylane() != pennylane(shots=3)


def test_an_experiment_file_can_name_it_with_options():
    table = {"name": "lightning.qubit", "options": {"wires": 4}}
    found = settings_of(pennylane, table, "device")
    assert found == {"name": "lightning.qubit", "shots": None, "options": {"wires": 4}}
    with pytest.raises(InputError, match=r"device\.options must be"):
        settings_of(pennylane, {"options": 4}, "device")


def test_a_missing_library_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr("fedqml.core.optional.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "fedqml\[pennylane\]"'):
        pennylane()


def test_it_trains_in_a_federation_the_same_on_both_engines():
    def model():
        circuits = encodings.arctan(2), ansatze.rot_cnot(2, depth=1)
        device = pennylane(shots=10)
        return torch.nn.Sequential(
            torch.nn.Linear(3, 2), QuantumLayer(*circuits, measure=2, device=device)
        )

    def train(engine):
        local = fq.local.sgd(epochs=1, batch_size=2, lr=0.1)
        federation = task(model, rows=8, clients=2)
        history = fq.run(federation, local, AVERAGING, rounds=1, clients_per_round=2, engine=engine)
        return history.weights

    slow, fast = train(fq.engines.sequential()), train(fq.engines.vectorised())
    for name, value in slow.items():
        torch.testing.assert_close(value, fast[name], rtol=0, atol=1e-10)
