import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import QuantumLayer, ansatze
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.encodings import reuploading

from ..strategies import numbers


def test_one_layer_points_where_its_two_angles_say():
    """Bloch vector of RZ(b) RY(a)|0>, a and b lines in x."""
    x, w = numbers(1, 20, 1), numbers(2, 4)
    found = simulate(reuploading(1, depth=1).measure("X0", "Y0", "Z0"), x, w)
    a, b = (w[0] * x + w[1]).squeeze(-1), (w[2] * x + w[3]).squeeze(-1)
    expected = [a.sin() * b.cos(), a.sin() * b.sin(), a.cos()]
    torch.testing.assert_close(found, torch.stack(expected, -1), rtol=0, atol=1e-14)


def test_layers_and_what_lies_between_them():
    circuit = reuploading(3, depth=2, entanglement="ring")
    assert circuit.n_weights == 2 * 3 * 4
    joints = [number for number, op in enumerate(circuit.ops) if op.gate == "cz"]
    assert joints == [6, 7, 8]
    last = circuit.ops[-1]
    assert (last.gate, last.wires) == ("rz", (2,))
    assert str(last.angle) == "x2·w22+w23"


def test_more_layers_give_higher_frequencies():
    """With w = 1 and no biases, RY(x) twice on a qubit is cos 2x."""
    x = numbers(3, 20, 1)
    w = torch.tensor(2 * [1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    found = simulate(reuploading(1, depth=2).measure("Z0"), x, w)
    torch.testing.assert_close(found, torch.cos(2 * x), rtol=0, atol=1e-14)


def test_its_weights_are_trained_with_those_of_the_ansatz():
    layer = QuantumLayer(reuploading(2, depth=2), ansatze.rot_cnot(2, depth=1), measure=2).double()
    assert layer.weights.shape == (16 + 6,)
    layer(numbers(4, 5, 2)).square().sum().backward()
    assert layer.weights.grad[:16].abs().min() > 1e-6


def test_refuses():
    with pytest.raises(InputError, match="Argument `depth` must be at least 1"):
        reuploading(depth=0)
