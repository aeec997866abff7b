import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.devices.statevector import statevector
from fedqml.quantum.encodings import amplitude

from .. import dense
from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)
WORDS = ("Z0", "X1", "X0 Z2", "Y0 Y1", "X0 X1 X2")


def of_the_vector(x):
    """⟨P⟩ of the amplitudes themselves."""
    state = (x / x.norm()).to(torch.complex128)
    z = torch.tensor([1, -1]).to(state)
    flip, y = torch.eye(2).flip(0).to(state), torch.tensor([[0, -1j], [1j, 0]]).to(state)
    one, z = torch.eye(2).to(state), torch.diag(z)
    products = [(z, one, one), (one, flip, one), (flip, one, z), (y, y, one), (flip, flip, flip)]
    values = []
    for a, b, c in products:
        values.append((state.conj() @ torch.kron(torch.kron(a, b), c) @ state).real)
    return torch.stack(values)


@pytest.mark.parametrize("device", [simulate, statevector()])
def test_the_inputs_are_the_amplitudes_and_their_gradients_are_the_vectors(device):
    circuit = amplitude(3).measure(*WORDS)
    for seed in range(5):
        x = numbers(seed, 8)
        torch.testing.assert_close(device(circuit, x, NONE), of_the_vector(x), rtol=0, atol=1e-12)
        found = torch.func.jacrev(lambda v: device(circuit, v, NONE))(x)
        expected = torch.func.jacrev(of_the_vector)(x)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "x",
    [
        [0, 0, 0, 0, 1, 2, 3, 4],
        [1, -2, 0, 0, 0, 0, 3, -4],
        [0, 0, 0, 0, 0, 0, 0, -1],
        [-1, 0, 0, 0, 0, 0, 0, 0],
        [0, -1, 0, 2, 0, 0, 0, 0],
    ],
)
def test_zeros_are_safe(x):
    x = torch.tensor(x, dtype=torch.float64)
    found = dense.unitary(amplitude(3), x, NONE)[:, 0].real
    torch.testing.assert_close(found, x / x.norm(), rtol=0, atol=1e-14)
    circuit = amplitude(3).measure(*WORDS)
    slope = torch.func.jacrev(lambda v: statevector()(circuit, v, NONE))(x)
    assert slope.isfinite().all()
    # where a block holds more than zeros the gradient is exact
    exact = torch.func.jacrev(of_the_vector)(x)
    used = x.reshape(4, 2).any(-1).repeat_interleave(2)
    torch.testing.assert_close(slope[:, used], exact[:, used], rtol=0, atol=1e-12)


def test_nothing_at_all_is_the_state_zero():
    x = torch.zeros(8, dtype=torch.float64)
    circuit = amplitude(3).measure("Z0", "Z1", "Z2")
    assert torch.equal(simulate(circuit, x, NONE), torch.ones(3, dtype=torch.float64))
    slope = torch.func.jacrev(lambda v: simulate(circuit, v, NONE))(x)
    assert torch.equal(slope, torch.zeros(3, 8, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_very_small_and_very_large_inputs_are_as_good(scale, dtype):
    x, none = numbers(1, 4).to(dtype), torch.zeros(0, dtype=dtype)
    circuit = amplitude(2).measure("Z0", "Z1")
    close = {"rtol": 0, "atol": 1e-5 if dtype == torch.float32 else 1e-13}
    expected = simulate(circuit, x, none)
    torch.testing.assert_close(simulate(circuit, scale * x, none), expected, **close)
    slopes = [
        factor * torch.func.jacrev(lambda v: simulate(circuit, v, none))(factor * x)
        for factor in (1.0, scale)
    ]
    torch.testing.assert_close(*slopes, **close)


def test_how_large_it_is():
    circuit = amplitude(4)
    assert [op.gate for op in circuit.ops].count("ry") == 15
    assert [op.gate for op in circuit.ops].count("cx") == 14
    # a level whose second halves are all padding needs no gates
    assert len(amplitude(4, inputs=2).ops) == 8 + 8


@pytest.mark.parametrize("inputs", [1, 9])
def test_refuses(inputs):
    with pytest.raises(InputError, match="Argument `inputs` must be from 2 to 2\\^qubits, 8"):
        amplitude(3, inputs)
