import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.encodings import iqp

from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)


def test_the_bloch_vector_of_a_qubit_beside_one_other():
    """RZZ(xy) turns |+> by ±xy, as often each way: ⟨X⟩ = cos x cos xy."""
    x = numbers(1, 20, 2)
    found = simulate(iqp(2).measure("X0", "Y0", "Z0"), x, NONE)
    both = x.prod(-1)
    expected = [x[:, 0].cos() * both.cos(), x[:, 0].sin() * both.cos(), 0 * both]
    torch.testing.assert_close(found, torch.stack(expected, -1), rtol=0, atol=1e-14)


def test_refuses():
    with pytest.raises(InputError, match="Argument `depth` must be at least 1"):
        iqp(depth=0)
