"""Periods in weights, found from the gates and held against expectation values."""

import math

import pytest
import torch

from fedqml.quantum import ansatze, devices, encodings
from fedqml.quantum.angle import Angle, Term
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import GATES, Rotation
from fedqml.quantum.operation import Op
from fedqml.quantum.periods import periods, rotations

TURNS = [name for name, gate in GATES.items() if isinstance(gate, Rotation)]
WHOLE, W0 = 2 * math.pi, Angle.weight(0)


def around(*ops):
    """Return the gates between others that let every one of them be noticed."""
    before = [Op("h", (q,)) for q in (0, 1)] + [Op("ry", (q,), Angle.constant(0.4)) for q in (0, 1)]
    after = [Op("ry", (0,), Angle.constant(1.1)), Op("rx", (1,), Angle.constant(0.7))]
    return Circuit(2, (*before, *ops, *after)).measure("Z0", "Z1", "X0 Y1")


def values(circuit, w):
    return devices.reference()(circuit, torch.zeros(0).double(), torch.tensor([w]).double())


def gates(*angles, gate="ry"):
    return around(*(Op(gate, (0,), angle) for angle in angles))


@pytest.mark.parametrize("scale", [1.0, -0.5, 3.0])
@pytest.mark.parametrize("gate", TURNS)
def test_a_period_is_the_least_after_which_all_repeats(gate, scale):
    wires = (0, 1)[: len(GATES[gate].symbols)]
    circuit = around(Op(gate, wires, scale * W0))
    found = periods(circuit)
    expected = (4 if gate.startswith("c") else 2) * math.pi / abs(scale)
    assert found == {0: pytest.approx(expected, rel=1e-14)}
    for parts in (1, 2, 3):
        same = torch.allclose(values(circuit, 0.3), values(circuit, 0.3 + found[0] / parts))
        assert same == (parts == 1)


@pytest.mark.parametrize(
    ("angles", "turns"),
    [
        ([W0, W0], 1),
        ([W0, 2 * W0], 1),
        ([2 * W0, 3 * W0], 1),
        ([2 * W0, 4 * W0], 1 / 2),
        ([0.5 * W0, (1 / 3) * W0], 6),
        ([0.1 * W0, 0.25 * W0], 20),
        ([W0 + Angle.input(0) + 0.3], 1),
        ([math.pi * W0, 2 * math.pi * W0], 1 / math.pi),
    ],
)
def test_gates_that_share_a_weight_have_a_common_period(angles, turns):
    assert periods(gates(*angles)) == {0: pytest.approx(turns * WHOLE, rel=1e-12)}


@pytest.mark.parametrize(
    "angles",
    [
        [W0, math.sqrt(2) * W0],
        [Angle((Term(inputs=(0,), weights=(0,), map="product"),))],
        [W0, Angle((Term(inputs=(0,), weights=(0,), map="product"),))],
        [Angle((Term(weights=(0,), map="arctan"),))],
        [W0 - W0],
        [Angle.input(0)],
    ],
)
def test_weights_that_are_no_angles_have_none(angles):
    assert periods(gates(*angles)) == {}


def test_terms_of_one_weight_in_one_gate_add_up():
    twice = Angle((Term(weights=(0,)), Term(weights=(0,))))
    assert periods(gates(twice)) == {0: pytest.approx(math.pi)}


def test_of_data_reuploading_the_shifts_are_angles_and_the_factors_not():
    assert periods(encodings.reuploading(2, depth=1)).keys() == {1, 3, 5, 7}


@pytest.mark.parametrize(
    ("circuit", "count"),
    [
        (ansatze.rot_cnot(3, depth=2), 6),
        (ansatze.strongly_entangling(3, depth=2), 6),
        (ansatze.brickwork(3, depth=1), 6),
        (ansatze.basic_entangling(3, depth=2), 0),
        (ansatze.hardware_efficient(2, depth=1), 0),
        (ansatze.hardware_efficient(2, depth=1, rotations=["rz", "ry", "rz"]), 4),
        (ansatze.hardware_efficient(2, depth=1, rotations=["rz", "ry", "rz", "ry", "rz"]), 4),
    ],
)
def test_rotations_of_ansatze(circuit, count):
    found = rotations(circuit)
    assert len(found) == count
    weights = [j for three in found for j in three]
    assert len(set(weights)) == len(weights)


def euler(middle=None, last="rz", between=()):
    first, second, third = (Angle.weight(j) for j in range(3))
    turn = Op("ry", (0,), second if middle is None else middle)
    ops = (Op("rz", (0,), first), turn, *between, Op(last, (0,), third))
    return rotations(Circuit(2, ops))


def test_only_whole_angles_of_neighbouring_gates_make_a_rotation():
    assert euler() == [(0, 1, 2)]
    assert euler(between=[Op("h", (1,))]) == [(0, 1, 2)]
    for other in (-1 * Angle.weight(1), Angle.weight(1) + 0.5, Angle.input(0), Angle.weight(0)):
        assert euler(middle=other) == []
    assert euler(middle=Angle.weight(1) + Angle.input(0)) == []
    assert euler(last="rx") == euler(between=[Op("cx", (0, 1))]) == []
    block = ansatze.rot_cnot(2, depth=1)
    assert rotations(block + block) == []
