"""What every ansatz promises; a new file is found and tested."""

import json

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import Circuit, ansatze
from fedqml.quantum.cutting import cut
from fedqml.quantum.devices.reference import simulate

from .. import dense
from ..plugins import check_plugin, factories
from ..strategies import numbers

ANSATZE = factories(ansatze)


@pytest.mark.parametrize("name", ANSATZE)
def test_it_is_a_plugin(name):
    check_plugin(ansatze, name)


@pytest.mark.parametrize("name", ANSATZE)
@pytest.mark.parametrize("qubits", [1, 2, 5])
def test_it_is_a_circuit_that_reads_weights_and_measures_nothing(name, qubits):
    circuit = ANSATZE[name](qubits=qubits)
    assert isinstance(circuit, Circuit)
    assert circuit.n_qubits == qubits
    assert circuit.n_weights >= 1
    assert circuit.observables == ()
    used = {j for op in circuit.ops if op.angle for j in op.angle.weights}
    assert used == set(range(circuit.n_weights)), "a weight that nothing reads"
    assert Circuit.from_dict(json.loads(json.dumps(circuit.to_dict()))) == circuit


@pytest.mark.parametrize("name", ANSATZE)
def test_the_reference_device_agrees_with_dense_matrices(name):
    circuit = ANSATZE[name](qubits=3).measure("Z0", "X1", "Y0 X1 Z2")
    x, w = numbers(1, circuit.n_inputs), 6 * numbers(2, circuit.n_weights)
    torch.testing.assert_close(
        simulate(circuit, x, w), dense.evaluate(circuit, x, w), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", ANSATZE)
@pytest.mark.parametrize("qubits", [1, 2, 3])
def test_its_first_layers_are_the_ansatz_of_that_depth(name, qubits):
    deep = ANSATZE[name](qubits=qubits, depth=4)
    assert deep.n_layers == 4
    for layers in range(1, 5):
        assert cut(deep, layers) == ANSATZE[name](qubits=qubits, depth=layers)
    again = Circuit.from_dict(deep.to_dict())
    assert [op.layer for op in again.ops] == [op.layer for op in deep.ops]


@pytest.mark.parametrize("name", ANSATZE)
def test_it_refuses_no_qubits(name):
    with pytest.raises(InputError, match="Argument `qubits` must"):
        ANSATZE[name](qubits=0)
