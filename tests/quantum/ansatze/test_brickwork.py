import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.ansatze import brickwork

from .. import dense
from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)


def pairs(circuit):
    return [op.wires for op in circuit.ops if op.gate == "rzz"]


def test_pairs_alternate():
    assert pairs(brickwork(5, 3)) == [(0, 1), (2, 3), (1, 2), (3, 4), (0, 1), (2, 3)]
    assert pairs(brickwork(2, 3)) == 3 * [(0, 1)]
    assert pairs(brickwork(1, 2)) == []
    assert brickwork(1, 2).n_weights == 9


def test_a_block_is_any_gate_on_two_qubits():
    """All 15 directions in the tangent space of SU(4) are reached; the phase is left out."""
    circuit = brickwork(2, depth=1)
    assert circuit.n_weights == 15
    w = numbers(1, 15)

    def unitary(w):
        return torch.view_as_real(dense.unitary(circuit, NONE, w))

    jacobian = torch.autograd.functional.jacobian(unitary, w).reshape(32, 15)
    assert torch.linalg.svdvals(jacobian).min() > 1e-3


def test_refuses():
    with pytest.raises(InputError, match="Argument `depth` must be at least 1"):
        brickwork(depth=0)
