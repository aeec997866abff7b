import inspect

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.analysis import dead_parameters
from fedqml.quantum.ansatze import basic_entangling
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.encodings import arctan

from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)


def test_a_ring_of_three_multiplies_the_cosines():
    """The CNOTs make the last qubits parities of the turned ones: products of cos w."""
    w = numbers(1, 3)
    found = simulate(basic_entangling(3, 1).measure("Z0", "Z1", "Z2"), NONE, w)
    c = w.cos()
    expected = torch.stack([c[1] * c[2], c[0] * c[1], c.prod()])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("rotation", ["x", "z"])
def test_turns_about_x_or_z_leave_their_basis_alone_whatever_the_depth(rotation):
    words = [f"{rotation.upper()}{q}" for q in range(4)]
    circuit = arctan(4) + basic_entangling(4, 5, rotation)
    assert len(dead_parameters(circuit.measure(*words)).proved) == 20
    turned = arctan(4) + basic_entangling(4, 5, "y")
    assert dead_parameters(turned.measure(*words)).silent == ()


def test_refuses():
    with pytest.raises(InputError, match="Argument `depth` must be at least 1"):
        basic_entangling(depth=0)
    with pytest.raises(InputError, match=r"`rotation` must be one of x, y, z.*mean 'x'"):
        inspect.unwrap(basic_entangling)(rotation="X")
