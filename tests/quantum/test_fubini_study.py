"""The metric against PennyLane's and closed forms."""

from functools import partial

import pytest
import torch

from fedqml.quantum.angle import Angle, Term
from fedqml.quantum.ansatze import rot_cnot, strongly_entangling
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.devices.reference import state_vectors
from fedqml.quantum.encodings import arctan
from fedqml.quantum.exchange import to_pennylane
from fedqml.quantum.fubini_study import fubini_study_diagonal
from fedqml.quantum.operation import Op

CIRCUITS = [
    arctan(2) + rot_cnot(2, depth=2),
    arctan(3, hadamard=False) + strongly_entangling(3),
]
EVERY_KIND = Circuit(
    3,
    (
        Op("ry", (0,), Angle.input(0) + 2.0 * Angle.weight(0)),
        Op("rxx", (0, 1), -0.5 * Angle.weight(1) + Angle.weight(2)),
        Op("crx", (1, 2), Angle.weight(3)),
        Op("rz", (2,), Angle((Term((0,), (4,), "product"),))),
        Op("rx", (1,), Angle.weight(5)),
        Op("ry", (2,), Angle.weight(5)),
        Op("cry", (2, 0), Angle.weight(6) + Angle.weight(6) * 2.0),
    ),
)


def arguments(circuit, rows=3):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, circuit.n_inputs, generator=generator, dtype=torch.float64)
    return x, torch.randn(circuit.n_weights, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_four_times_it_is_four_times_pennylane_s(circuit):
    qml = pytest.importorskip("pennylane")
    x, w = arguments(circuit)
    function = to_pennylane(circuit.measure("Z0"))

    def first(x, w):
        return function(x, w)[0]

    device = qml.device("default.qubit")
    for row, own in zip(x, 4 * fubini_study_diagonal(circuit, x, w), strict=True):
        node = qml.QNode(partial(first, row), device, interface="torch")
        theirs = qml.metric_tensor(node, approx="diag")(w.clone().requires_grad_())
        torch.testing.assert_close(own, 4 * theirs.diagonal().detach(), rtol=1e-9, atol=1e-9)


def test_a_weight_that_turns_every_qubit_moves_the_state_as_all_together():
    ops = tuple(Op("ry", (qubit,), Angle.weight(0)) for qubit in range(3))
    none = torch.zeros(0, dtype=torch.float64)
    found = fubini_study_diagonal(Circuit(3, ops), none, torch.tensor([0.3]).double())
    assert found.tolist() == pytest.approx([3 / 4])


def test_it_is_the_length_of_the_derivative_across_the_state():
    x, w = arguments(EVERY_KIND)

    def parts(w):
        return torch.view_as_real(state_vectors(EVERY_KIND, x, w))

    moved = torch.view_as_complex(torch.func.jacrev(parts)(w).movedim(-1, 0).contiguous())
    state = state_vectors(EVERY_KIND, x, w)
    along = (state.conj() * moved).sum(-1, keepdim=True)
    across = (moved - along * state).abs().square().sum(-1)
    found = fubini_study_diagonal(EVERY_KIND, x, w)
    torch.testing.assert_close(found, across.T, rtol=1e-12, atol=1e-14)
    assert bool((found.std(0) > 0).any())


def test_a_weight_that_no_gate_reads_moves_nothing():
    circuit = Circuit(1, (Op("ry", (0,), Angle.weight(1)),))
    x, w = torch.zeros(2, 0, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    assert fubini_study_diagonal(circuit, x, w).tolist() == [[0.0, 0.25]] * 2


def test_it_is_mapped_over_weights():
    circuit = CIRCUITS[0]
    x, w = arguments(circuit)
    several = torch.stack([w, 2 * w, -w])
    together = torch.func.vmap(lambda own: fubini_study_diagonal(circuit, x, own))(several)
    for own, found in zip(several, together, strict=True):
        torch.testing.assert_close(fubini_study_diagonal(circuit, x, own), found)
