import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import GATES, Angle, Circuit, Op
from fedqml.quantum.gates import Rotation
from fedqml.quantum.native.steps import Constant, Exchange, Flip, Turn, fixed, steps

from .. import dense
from ..strategies import numbers, some

NONE = torch.zeros(0, dtype=torch.float64)
SIGMA = torch.tensor([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
SIGMA = SIGMA.to(torch.complex128)


def element(quaternion):
    """q0 - i (q1 X + q2 Y + q3 Z)."""
    a, *vector = quaternion
    one = torch.eye(2, dtype=torch.complex128)
    return a * one - 1j * sum(v * s for v, s in zip(vector, SIGMA, strict=True))


def matrix(step, w):
    """Of a step on two qubits."""
    if isinstance(step, Flip):
        return dense.unitary(Circuit(2, (Op("cx", (step.control, step.target)),)), NONE, w)
    if isinstance(step, Exchange):
        return dense.unitary(Circuit(2, (Op("swap", (step.first, step.second)),)), NONE, w)
    if isinstance(step, Turn):
        name = ("rx", "ry", "rz")[step.axis]
        return dense.unitary(Circuit(2, (Op(name, (step.wire,), step.angle),)), NONE, w)
    return dense.embed(element(step.quaternion), (step.wire,), 2)


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("angle", [-0.7 * Angle.weight(0) + 0.4, Angle.constant(1.2)])
def test_every_gate_is_the_product_of_its_steps_up_to_a_phase(name, angle):
    gate, w = GATES[name], numbers(1, 1)
    orders = [(0,), (1,)] if len(gate.symbols) == 1 else [(0, 1), (1, 0)]
    for wires in orders:
        op = Op(name, wires, angle if isinstance(gate, Rotation) else None)
        total = torch.eye(4, dtype=torch.complex128)
        for step in steps(op):
            total = matrix(step, w) @ total
        overlap = dense.unitary(Circuit(2, (op,)), NONE, w).mH @ total
        phase = overlap[0, 0]
        assert abs(abs(phase) - 1) < 1e-14
        one = torch.eye(4, dtype=torch.complex128)
        torch.testing.assert_close(overlap, phase * one, rtol=0, atol=1e-14)


quaternions = st.lists(st.floats(-1, 1), min_size=4, max_size=4).map(tuple)


@some
@given(quaternions, quaternions)
def test_after_is_the_product(one, other):
    product = Constant(0, one).after(Constant(0, other)).quaternion
    torch.testing.assert_close(element(product), element(one) @ element(other))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turn_by_a_constant_is_fixed(axis):
    turn = Turn(0, axis, Angle.constant(0.9))
    torch.testing.assert_close(
        torch.kron(element(fixed(turn).quaternion), torch.eye(2)), matrix(turn, NONE)
    )
    assert fixed(Turn(0, axis, Angle.weight(0))) is None
    assert fixed(Constant(0, (1.0, 0.0, 0.0, 0.0))) == Constant(0, (1.0, 0.0, 0.0, 0.0))
