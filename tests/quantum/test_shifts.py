import numpy as np
import pytest
import torch

from fedqml.quantum import GATES, Angle, Circuit, Op, ansatze, encodings, shift_rule
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.gates import Rotation
from fedqml.quantum.shifts import executions_per_forward, executions_per_gradient

ROTATIONS = [name for name, gate in GATES.items() if isinstance(gate, Rotation)]
NONE = torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize("name", ROTATIONS)
def test_the_rule_equals_the_derivative_at_any_angle(name):
    """Between two random states, all frequencies of the generator show."""
    gate = GATES[name]
    mix = [
        Op(rotation, (qubit,), Angle.constant(0.3 + qubit + k))
        for k, rotation in enumerate(("ry", "rz", "rx"))
        for qubit in range(2)
    ]
    wires = tuple(range(len(gate.symbols)))
    circuit = Circuit(
        2, (*mix, Op("cx", (0, 1)), Op(name, wires, Angle.weight(0)), Op("cx", (1, 0)), *mix)
    ).measure("Z0", "X0 Y1")
    rule = shift_rule(gate)
    for angle in (-2.0, 0.0, 0.7, 3.0):
        w = torch.tensor([angle], dtype=torch.float64)
        slope = torch.func.jacrev(lambda v: simulate(circuit, NONE, v))(w)[:, 0]
        shifted = sum(c * simulate(circuit, NONE, w + s) for c, s in rule)
        torch.testing.assert_close(shifted, slope, rtol=0, atol=1e-13)
        assert slope.abs().max() > 1e-3


def test_two_eigenvalues_give_the_textbook_rule():
    for name in ("rx", "ry", "rz", "rxx", "ryy", "rzz", "phase"):
        np.testing.assert_allclose(
            shift_rule(GATES[name]), [(0.5, np.pi / 2), (-0.5, -np.pi / 2)], atol=1e-15
        )


def test_three_eigenvalues_give_the_four_term_rule():
    plus, minus = (np.sqrt(2) + 1) / (4 * np.sqrt(2)), (np.sqrt(2) - 1) / (4 * np.sqrt(2))
    for name in ("crx", "cry", "crz"):
        rule = sorted(shift_rule(GATES[name]), key=lambda pair: pair[1])
        expected = [
            (minus, -3 * np.pi / 2),
            (-plus, -np.pi / 2),
            (plus, np.pi / 2),
            (-minus, 3 * np.pi / 2),
        ]
        np.testing.assert_allclose(rule, expected, atol=1e-15)


def test_executions():
    paper = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1")
    assert executions_per_forward(paper) == 1
    assert executions_per_gradient(paper) == 1 + 2 * (8 + 24)
    ops = (
        Op("h", (0,)),
        Op("crx", (0, 1), Angle.weight(0)),
        Op("rx", (0,), Angle.constant(0.5)),
        Op("rz", (1,), Angle.input(0)),
    )
    assert executions_per_gradient(Circuit(2, ops).measure("Z0", "Z1")) == 1 + 4 + 2
    assert executions_per_forward(Circuit(2, ops).measure("Z0", "X0")) == 2
    assert executions_per_gradient(Circuit(2, ops).measure("Z0", "X0")) == 2 * (1 + 4 + 2)
