import itertools

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.encodings import zz
from fedqml.quantum.patterns import pairs

from .. import dense
from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize("entanglement", ["linear", "ring", "full"])
@pytest.mark.parametrize("qubits", [1, 2, 4])
@pytest.mark.parametrize("depth", [1, 2])
def test_it_is_the_papers_diagonal_between_hadamard_gates(qubits, depth, entanglement):
    """Up to a phase, |z> gets 2x_i for each 1 and 2(π-x_i)(π-x_j) for each pair that differs."""
    x = numbers(1, qubits)
    phases = []
    for bits in itertools.product((0, 1), repeat=qubits):
        single = sum(2 * x[i] * bits[i] for i in range(qubits))
        joined = pairs(qubits, entanglement)
        both = sum(
            2 * (torch.pi - x[i]) * (torch.pi - x[j]) * (bits[i] ^ bits[j]) for i, j in joined
        )
        phases.append(single + both)
    diagonal = torch.exp(1j * torch.stack(phases))
    one = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.complex128) / 2**0.5
    hadamards = one
    for _ in range(qubits - 1):
        hadamards = torch.kron(hadamards, one)
    layer = torch.diag(diagonal) @ hadamards
    expected = torch.linalg.matrix_power(layer, depth)
    found = dense.unitary(zz(qubits, depth, entanglement), x, NONE)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_refuses():
    with pytest.raises(InputError, match="Argument `depth` must be at least 1"):
        zz(depth=0)
