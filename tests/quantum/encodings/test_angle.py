import inspect
import math

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.encodings import angle

from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize(
    ("rotation", "hadamard", "word", "expected"),
    [
        ("x", False, "Z0", torch.cos),
        ("x", False, "Y0", lambda v: -v.sin()),
        ("y", False, "X0", torch.sin),
        ("y", True, "Z0", lambda v: -v.sin()),
        ("z", True, "X0", torch.cos),
        ("z", True, "Y0", torch.sin),
        ("z", False, "Z0", torch.ones_like),
    ],
)
def test_the_bloch_vector_turns_by_the_scaled_input(rotation, hadamard, word, expected):
    x = numbers(1, 20, 1)
    circuit = angle(1, rotation, scaling=1.5, hadamard=hadamard).measure(word)
    torch.testing.assert_close(simulate(circuit, x, NONE), expected(1.5 * x), rtol=0, atol=1e-14)


def test_refuses():
    with pytest.raises(InputError, match="Argument `scaling` must differ from 0"):
        angle(scaling=0.0)
    with pytest.raises(InputError, match="`scale` must be finite"):
        angle(scaling=math.inf)
    with pytest.raises(InputError, match=r"`rotation` must be one of x, y, z.*mean 'y'"):
        inspect.unwrap(angle)(rotation="Y")
