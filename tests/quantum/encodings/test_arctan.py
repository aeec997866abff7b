import pytest
import torch

from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.encodings import arctan

from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize("hadamard", [False, True])
def test_every_qubit_points_where_the_formula_says(hadamard):
    """Bloch vectors: RY(a) then RZ(b), of the north pole or, after a Hadamard gate, of +x."""
    words = [f"{letter}{qubit}" for qubit in range(3) for letter in "XYZ"]
    circuit = arctan(qubits=3, hadamard=hadamard).measure(*words)
    x = 2 * numbers(1, 20, 3)
    a, b = torch.atan(x), torch.atan(x**2)
    # the polar angle from z towards x: a, or a + π/2 with the Hadamard gate
    polar = a + torch.pi / 2 if hadamard else a
    expected = torch.stack([polar.sin() * b.cos(), polar.sin() * b.sin(), polar.cos()], -1)
    found = simulate(circuit, x, NONE).reshape(20, 3, 3)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_without_hadamard_z_is_one_over_the_hypotenuse():
    x = numbers(2, 30, 1)
    found = simulate(arctan(1, hadamard=False).measure("Z0"), x, NONE)
    torch.testing.assert_close(found, 1 / torch.sqrt(1 + x**2), rtol=0, atol=1e-15)
