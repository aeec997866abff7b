import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.quantum import GATES, Angle, Circuit, Op, Pauli, ansatze, encodings
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.exchange import from_pennylane, to_pennylane
from fedqml.quantum.exchange.operations import NAMES

from ..strategies import arguments, circuits, numbers, value_and_gradients

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    qml = pytest.importorskip("pennylane")


def evaluate(circuit, x, w):
    node = qml.QNode(to_pennylane(circuit), qml.device("default.qubit"), interface="torch")
    return torch.stack([value.to(torch.float64) for value in node(x, w)], -1)


def test_every_gate_has_a_name_of_its_own():
    assert set(NAMES) == set(GATES)
    assert len(set(NAMES.values())) == len(GATES)


@settings(deadline=None, max_examples=25)
@given(circuits(), st.integers(0, 1000))
def test_values_and_gradients_are_the_circuits(circuit, seed):
    x, w = arguments(circuit, seed)
    found = value_and_gradients(evaluate, circuit, x, w)
    expected = value_and_gradients(simulate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_it_takes_a_batch():
    circuit = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("Z0", "X0 Y1")
    x, w = numbers(1, 5, 2), numbers(2, 6)
    torch.testing.assert_close(evaluate(circuit, x, w), simulate(circuit, x, w), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=4)
@given(circuits(max_qubits=2, max_ops=2), st.integers(0, 1000))
def test_the_way_back_gives_the_same_function(circuit, seed):
    terms = [term for op in circuit.ops if op.angle for term in op.angle.terms]
    assume(all(term.map != "block_angle" for term in terms))  # no sum of what is looked for
    wires = range(circuit.n_qubits)
    # so that every wire, input and weight counts, also the last ones
    every = [Angle.input(i) for i in range(3)] + [Angle.weight(j) for j in range(5)]
    ops = [Op("rx", (q,), angle) for q in wires for angle in every]
    circuit = replace(circuit, ops=(*circuit.ops, *ops))

    def function(inputs, weights):
        return to_pennylane(circuit)(inputs, weights)

    found = from_pennylane(function, {"weights": circuit.n_weights}, circuit.n_inputs)
    assert [(op.gate, op.wires) for op in found.ops] == [(op.gate, op.wires) for op in circuit.ops]
    assert found.observables == circuit.observables
    x, w = (tensor.detach() for tensor in arguments(circuit, seed))
    torch.testing.assert_close(simulate(found, x, w), simulate(circuit, x, w), rtol=0, atol=1e-10)


def test_it_refuses_to_measure_nothing():
    with pytest.raises(InputError, match="must have at least one entry"):
        to_pennylane(Circuit(1, (), ()))


def test_words_become_products():
    from fedqml.quantum.exchange.operations import observable

    assert observable(Pauli.parse("X0 Y2")) == qml.X(0) @ qml.Y(2)
    assert observable(Pauli.parse("Z1")) == qml.Z(1)
