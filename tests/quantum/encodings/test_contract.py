"""What every encoding promises; a new file is found and tested."""

import json

import pytest
import torch
from torch.func import functional_call

from fedqml.core.errors import InputError
from fedqml.quantum import Circuit, QuantumLayer, ansatze, encodings
from fedqml.quantum.devices.reference import simulate

from .. import dense
from ..plugins import check_plugin, factories
from ..strategies import numbers

ENCODINGS = factories(encodings)


@pytest.mark.parametrize("name", ENCODINGS)
def test_it_is_a_plugin(name):
    check_plugin(encodings, name)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("qubits", [1, 2, 5])
def test_it_is_a_circuit_that_reads_inputs_and_measures_nothing(name, qubits):
    circuit = ENCODINGS[name](qubits=qubits)
    assert isinstance(circuit, Circuit)
    assert circuit.n_qubits == qubits
    assert circuit.n_inputs >= 1
    assert circuit.observables == ()
    used = {i for op in circuit.ops if op.angle for i in op.angle.inputs}
    assert used == set(range(circuit.n_inputs)), "an input that nothing reads"
    assert Circuit.from_dict(json.loads(json.dumps(circuit.to_dict()))) == circuit


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_reference_device_agrees_with_dense_matrices(name):
    circuit = ENCODINGS[name](qubits=3).measure("Z0", "X1", "Y0 X1 Z2")
    x, w = numbers(1, circuit.n_inputs), numbers(2, circuit.n_weights)
    torch.testing.assert_close(
        simulate(circuit, x, w), dense.evaluate(circuit, x, w), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", ENCODINGS)
def test_it_refuses_no_qubits(name):
    with pytest.raises(InputError, match="Argument `qubits` must"):
        ENCODINGS[name](qubits=0)


@pytest.mark.parametrize("name", ENCODINGS)
def test_mapped_clients_get_the_gradients_of_each(name):
    encoding = ENCODINGS[name](qubits=2)
    layer = QuantumLayer(encoding, ansatze.rot_cnot(2, depth=1), measure=["X0", "Z0 Y1"]).double()
    w, x = 6 * numbers(1, 3, layer.weights.numel()), numbers(2, 3, 4, layer.in_features)

    def loss(w, x):
        return functional_call(layer, {"weights": w}, (x,)).square().sum()

    gradient = torch.func.grad(loss, argnums=(0, 1))
    together = torch.func.vmap(gradient)(w, x)
    for k in range(3):
        for found, expected in zip(together, gradient(w[k], x[k]), strict=True):
            torch.testing.assert_close(found[k], expected, rtol=0, atol=1e-12)
