import copy
import math
import pickle

import pytest
import torch
from torch.func import functional_call

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Device, Op, QuantumLayer, ansatze, encodings
from fedqml.quantum.devices.reference import simulate

from .strategies import numbers


def layer(**options):
    arguments = {"measure": 2} | options
    return QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(4, depth=2), **arguments)


def test_it_is_the_encoding_then_the_ansatz_then_the_measurement():
    module = layer(measure=["Z0", "X1 Y2"])
    expected = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "X1 Y2")
    assert module.circuit == expected
    assert (module.in_features, module.out_features) == (4, 2)
    assert module.weights.shape == (24,)
    x = numbers(1, 5, 4, dtype=torch.float32)
    torch.testing.assert_close(module(x), simulate(expected, x, module.weights))


def test_a_whole_circuit_is_a_layer():
    circuit = (encodings.arctan(2) + ansatze.rot_cnot(2)).measure("X0 Z1", "Z0")
    module = QuantumLayer.from_circuit(circuit, readout="probability")
    assert module.circuit == circuit
    x = numbers(1, 5, 2, dtype=torch.float32)
    expected = (1 + simulate(circuit, x, module.weights)) / 2
    torch.testing.assert_close(module(x), expected)
    with pytest.raises(InputError, match=r"`circuit\.observables` must have at least one entry"):
        QuantumLayer.from_circuit(encodings.arctan(2))


def test_measure_is_a_number_of_qubits_or_words_or_all():
    def words(module):
        return [str(word) for word in module.circuit.observables]

    assert words(layer(measure=None)) == ["Z0", "Z1", "Z2", "Z3"]
    assert words(layer(measure=1)) == ["Z0"]
    assert words(layer(measure=["Y3", "Z1 X0"])) == ["Y3", "X0 Z1"]


def test_a_trainable_encoding_keeps_its_own_weights_and_shares_the_inputs():
    encoding = Circuit(1, (Op("ry", (0,), Angle.input(0)), Op("rz", (0,), Angle.weight(1))))
    ansatz = Circuit(1, (Op("rx", (0,), Angle.weight(0)), Op("ry", (0,), Angle.input(0))))
    module = QuantumLayer(encoding, ansatz)
    assert module.circuit.ops == (
        *encoding.ops,
        Op("rx", (0,), Angle.weight(2)),
        Op("ry", (0,), Angle.input(0)),
    )
    assert module.in_features == 1
    assert module.weights.shape == (3,)


def test_probability_is_that_of_the_outcome_plus_one():
    module, other = layer(), layer(readout="probability")
    other.load_state_dict(module.state_dict())
    x = numbers(1, 5, 4, dtype=torch.float32)
    torch.testing.assert_close(other(x), (1 + module(x)) / 2)
    assert 0 <= other(x).min() <= other(x).max() <= 1


def test_the_device_evaluates():
    def constant(circuit, x, w):
        return x.new_full((*x.shape[:-1], len(circuit.observables)), 0.5)

    assert layer(device=Device(constant))(torch.zeros(3, 4)).tolist() == [[0.5, 0.5]] * 3


@pytest.mark.parametrize("batch", [(), (0,), (1,), (33,), (2, 3), (2, 0, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_batch_and_both_precisions(batch, dtype):
    module = layer().to(dtype)
    x = numbers(2, *batch, 4, dtype=dtype).requires_grad_()
    out = module(x)
    assert out.shape == (*batch, 2)
    assert out.dtype == dtype
    out.sum().backward()
    assert x.grad.shape == x.shape
    assert module.weights.grad.shape == (24,)
    singles = [module(row) for row in x.reshape(-1, 4)]
    if singles:
        torch.testing.assert_close(out.reshape(-1, 2), torch.stack(singles))


def test_single_precision_is_close_to_double():
    module = layer()
    x = numbers(2, 50, 4)
    single = module(x.float())
    double = copy.deepcopy(module).double()(x)
    torch.testing.assert_close(single.double(), double, rtol=0, atol=2e-6)


def test_inputs_may_lie_anyhow_in_memory():
    module = layer()
    x = numbers(3, 4, 7, dtype=torch.float32)
    torch.testing.assert_close(module(x.T), module(x.T.contiguous()), rtol=0, atol=0)
    wide = numbers(3, 7, 8, dtype=torch.float32)
    torch.testing.assert_close(
        module(wide[:, ::2]), module(wide[:, ::2].contiguous()), rtol=0, atol=0
    )
    row = numbers(3, 1, 4, dtype=torch.float32)
    torch.testing.assert_close(module(row.expand(6, 4)), module(row).expand(6, 2))


def test_weights_are_drawn_from_the_whole_circle_by_torchs_generator():
    state = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        first = layer().weights.detach().clone()
        again = layer()
        assert not torch.equal(again.weights, first)
        torch.manual_seed(0)
        again.reset_parameters()
        assert torch.equal(again.weights, first)
        weights = QuantumLayer(encodings.arctan(8), ansatze.rot_cnot(8, depth=20)).weights.detach()
    finally:
        torch.set_rng_state(state)
    assert 0 <= weights.min() < 0.2
    assert 2 * math.pi - 0.2 < weights.max() <= 2 * math.pi
    assert abs(weights.mean() - math.pi) < 4 * math.pi / math.sqrt(3 * len(weights))


def test_state_dict_pickle_and_deepcopy_give_the_same_function():
    module = layer(measure=["Z0 Z1", "X2"], readout="probability")
    x = numbers(4, 6, 4, dtype=torch.float32)
    expected = module(x)
    assert list(module.state_dict()) == ["weights"]
    fresh = layer(measure=["Z0 Z1", "X2"], readout="probability")
    assert not torch.equal(fresh(x), expected)
    fresh.load_state_dict(module.state_dict())
    unpickled = pickle.loads(pickle.dumps(module))  # noqa: S301 - our own bytes
    for twin in (fresh, unpickled, copy.deepcopy(module)):
        assert torch.equal(twin(x), expected)
        assert twin.circuit == module.circuit
        assert twin.weights is not module.weights


def test_the_description_says_what_it_is():
    assert repr(layer()) == (
        "QuantumLayer(qubits=4, in_features=4, out_features=2, weights=24, measure='Z0, Z1', "
        "readout=expectation)"
    )


def test_it_trains():
    """Two classes that a single qubit can tell apart."""
    module = QuantumLayer(encodings.arctan(1), ansatze.rot_cnot(1, depth=1)).double()
    with torch.no_grad():
        module.weights.copy_(torch.tensor([0.3, 0.4, 0.5]))
    x = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]], dtype=torch.float64)
    y = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]], dtype=torch.float64)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        loss = (module(x) - y).square().mean()
        loss.backward()
        optimiser.step()
    assert torch.equal(module(x).sign(), y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": 0}, "`measure` must be from 1 to the number of qubits, 4, but measure=0."),
        ({"measure": 5}, "`measure` must be from 1 to the number of qubits, 4, but measure=5."),
        ({"measure": []}, "`measure` must be a number of qubits or a list of Pauli words"),
        ({"measure": "Z0"}, "`measure` must be a number of qubits or a list of Pauli words"),
        ({"measure": ["Z4"]}, "Argument `observables[0].wires` must be below n_qubits=4"),
        ({"measure": ["z0"]}, "Argument `observable` must be a Pauli word"),
    ],
)
def test_refuses_to_measure(options, message):
    with pytest.raises(InputError) as error:
        layer(**options)
    assert message in str(error.value)


def test_refuses_circuits_that_do_not_fit():
    with pytest.raises(InputError, match="`n_qubits` must equal the 4 of the circuit before it"):
        QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(3))
    with pytest.raises(InputError, match=r"`ansatz\.observables` must be empty"):
        QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(4).measure("Z0"))
    with pytest.raises(InputError, match=r"`encoding\.observables` must be empty"):
        QuantumLayer(encodings.arctan(4).measure("Z0"), ansatze.rot_cnot(4))


def test_refuses_numbers_that_do_not_fit():
    module = layer()
    with pytest.raises(InputError, match=r"`x\.shape` must be \(\*batch, 4\).*x\.shape=\(2, 5\)"):
        module(torch.zeros(2, 5))
    with pytest.raises(InputError, match=r"`w\.shape` must be \(24,\).*w\.shape=\(23,\)"):
        functional_call(module, {"weights": torch.zeros(23)}, torch.zeros(2, 4))
    with pytest.raises(InputError, match=r"`x\.dtype` must equal the weights' torch\.float32"):
        module(torch.zeros(2, 4, dtype=torch.float64))
    with pytest.raises(InputError, match=r"`x\.dtype` must be float32 or float64"):
        module(torch.zeros(2, 4, dtype=torch.float16))
