"""Parts of circuits for smaller hardware."""

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, QuantumLayer, ansatze, devices, encodings, on
from fedqml.quantum.cutting import cut

WHOLE = (encodings.arctan(3) + ansatze.rot_cnot(3, depth=2)).measure("Z0", "X0 Z1")


def test_what_belongs_to_no_layer_stays():
    assert cut(WHOLE, layers=1).ops == (encodings.arctan(3) + ansatze.rot_cnot(3, depth=1)).ops
    assert cut(WHOLE, layers=2) == cut(WHOLE) == WHOLE
    assert cut(WHOLE, layers=1).observables == WHOLE.observables


def test_gates_on_qubits_that_are_not_there_go():
    narrow = cut(WHOLE, qubits=2)
    chain = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1, entangler="chain")).ops
    assert narrow.n_qubits == narrow.n_inputs == 2
    assert cut(WHOLE, layers=1, qubits=2).ops == chain
    assert narrow.n_weights == 15  # the second block's weights stand where they stood


def test_layers_of_circuits_in_series_are_counted_on():
    block = ansatze.rot_cnot(2, depth=1)
    series = block + block.renumber(weights=block.n_weights)
    assert series.n_layers == 2
    assert cut(series, layers=1) == block
    assert (encodings.arctan(2) + block).n_layers == 1


def test_what_cannot_be_cut_is_refused():
    with pytest.raises(InputError, match="`layers` must be at most 2, the layers of the circuit"):
        cut(WHOLE, layers=3)
    with pytest.raises(InputError, match="`layers` must be at least 1"):
        cut(WHOLE, layers=0)
    with pytest.raises(InputError, match="but no gate of this one says so"):
        cut(encodings.arctan(2), layers=1)
    with pytest.raises(InputError, match="`qubits` must be at most 3, the qubits of the circuit"):
        cut(WHOLE, qubits=4)
    with pytest.raises(InputError, match=r"`qubits` must be at least 2, as .* measures Z0, X0 Z1"):
        cut(WHOLE, qubits=1)
    with pytest.raises(InputError, match="`layer` must be at least 0, but layer=-1"):
        Op("h", (0,), layer=-1)


def test_gates_of_one_s_own_can_have_layers():
    turns = (Op("ry", (0,), Angle.weight(j), layer=j) for j in range(3))
    assert cut(Circuit(1, tuple(turns)), layers=2).n_weights == 2


def layer():
    torch.manual_seed(0)
    return QuantumLayer(encodings.arctan(3), ansatze.rot_cnot(3, depth=2), measure=2).double()


X = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("device", [devices.statevector(), devices.reference()])
def test_a_layer_on_smaller_hardware_has_the_same_weights(device):
    whole = layer()
    small = on(device, layers=1, qubits=2)(whole)
    shallow = QuantumLayer(
        encodings.arctan(2), ansatze.rot_cnot(2, depth=1, entangler="chain"), measure=2
    ).double()
    shallow.weights.data = whole.weights.data[:6]
    torch.testing.assert_close(small(X), shallow(X[:, :2]))
    small(X).square().sum().backward()
    shallow(X[:, :2]).square().sum().backward()
    torch.testing.assert_close(small.weights.grad[:6], shallow.weights.grad)
    assert not small.weights.grad[6:].any()
    assert torch.equal(on(layers=2, qubits=3)(whole)(X), whole(X))


def test_a_layer_on_smaller_hardware_refuses_what_the_whole_refuses():
    small = on(layers=1, qubits=2)(layer())
    with pytest.raises(InputError, match="reads that many inputs"):
        small(X[:, :2])
    with pytest.raises(InputError, match="reads that many weights"):
        torch.func.functional_call(small, {"weights": torch.zeros(17).double()}, X)


def test_equal_changes_are_equal_and_add_up():
    assert on(layers=1) == on(layers=1) != on(layers=1, qubits=2)
    assert on(devices.reference(), layers=1) != on(layers=1)
    both = on(devices.reference())(on(layers=1)(layer()))
    assert both.device == devices.reference()
    assert both.circuit == cut(both.whole, layers=1)
