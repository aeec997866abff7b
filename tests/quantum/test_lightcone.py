import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import GATES, Angle, Circuit, Op, Pauli, ansatze, encodings
from fedqml.quantum.devices import density
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.gates import Rotation
from fedqml.quantum.lightcone import influential, reachable

from .strategies import arguments, circuits, noises, numbers, some

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1")


def kept(circuit):
    return [op.gate for op in influential(circuit).ops]


def weights(circuit):
    angles = (op.angle for op in circuit.ops if op.angle is not None)
    return {j for angle in angles for j in angle.weights}


@some
@given(circuits(max_qubits=5, max_ops=15), st.integers(0, 1000))
def test_no_expectation_value_changes(circuit, seed):
    x, w = arguments(circuit, seed, 3)
    smaller = influential(circuit)
    assert set(smaller.ops) <= set(circuit.ops)
    # the smaller circuit may read fewer numbers
    found = simulate(smaller, x[:, : smaller.n_inputs], w[: smaller.n_weights])
    torch.testing.assert_close(found, simulate(circuit, x, w), rtol=0, atol=1e-12)


@some
@given(circuits(max_qubits=4, max_ops=10), noises(), st.integers(0, 1000))
def test_no_noisy_expectation_value_changes_outside_the_cone(circuit, table, seed):
    """With a word on all qubits among the observables, no gate is outside."""
    x, w = arguments(circuit, seed)
    everywhere = Pauli(tuple(range(circuit.n_qubits)), "Z" * circuit.n_qubits)
    whole = circuit.measure(*circuit.observables, everywhere)
    assert reachable(whole) == whole
    found, expected = (density(table)(c, x, w) for c in (circuit, whole))
    torch.testing.assert_close(found, expected[:-1], rtol=0, atol=1e-14)


def test_gates_outside_of_every_cone():
    ops = (Op("h", (0,)), Op("cx", (0, 1)), Op("cx", (1, 2)), Op("cx", (3, 0)), Op("h", (2,)))
    circuit = Circuit(4, ops)
    # all gates behind are pulled through: Z3 meets the last gate of 3, that all earlier ones of 0
    for word, kept in (("Z3", (0, 1, 3)), ("Z1", (0, 1, 2)), ("Z2", (0, 1, 2, 4))):
        assert reachable(circuit.measure(word)).ops == tuple(ops[k] for k in kept)


def test_nine_of_the_papers_angles():
    assert set(range(24)) - weights(influential(PAPER)) == {11, 14, 17, 18, 19, 20, 21, 22, 23}


def test_every_angle_that_is_left_has_influence():
    smaller = influential(PAPER)
    w, x = 6 * numbers(1, 24), numbers(2, 20, 4)
    slope = torch.func.jacrev(lambda v: simulate(smaller, x, v))(w[: smaller.n_weights])
    assert slope.abs().amax((0, 1))[sorted(weights(smaller))].min() > 1e-3


@pytest.mark.parametrize("name", GATES)
def test_a_gate_beside_the_measured_qubits_goes_and_one_on_them_stays(name):
    gate = GATES[name]
    wires = tuple(range(len(gate.symbols)))
    angle = Angle.weight(0) if isinstance(gate, Rotation) else None
    mix = [Op("ry", (q,), Angle.constant(0.5)) for q in range(4)]
    mix += [Op("rz", (q,), Angle.constant(0.5)) for q in range(4)]
    circuit = Circuit(4, (*mix, Op(name, wires, angle)))
    assert Op(name, wires, angle) not in influential(circuit.measure("X3")).ops
    everywhere = circuit.measure(*(f"{a}{q}" for a in "XYZ" for q in wires))
    assert Op(name, wires, angle) in influential(everywhere).ops


def test_what_commutes_with_the_observable_goes():
    h, rz = Op("h", (0,)), Op("rz", (0,), Angle.weight(0))
    assert kept(Circuit(1, (h, rz)).measure("Z0")) == ["h"]
    assert kept(Circuit(1, (h, rz)).measure("X0")) == ["h", "rz"]
    # X Z X = -Z: not the same, though the same word
    assert kept(Circuit(1, (h, Op("x", (0,)))).measure("Z0")) == ["h", "x"]
    cx = Op("cx", (0, 1))
    assert kept(Circuit(2, (h, Op("h", (1,)), cx)).measure("Z0")) == ["h"]
    assert kept(Circuit(2, (h, Op("ry", (1,), Angle.weight(0)), cx)).measure("Z1")) == [
        "h",
        "ry",
        "cx",
    ]


def test_what_only_changes_the_phase_of_zeros_goes():
    rz, ry = Op("rz", (0,), Angle.weight(0)), Op("ry", (0,), Angle.weight(1))
    assert kept(Circuit(1, (rz, ry)).measure("X0")) == ["ry"]
    idle = Circuit(2, (ry, Op("cx", (1, 0)), Op("crx", (1, 0), Angle.weight(2)))).measure("X0")
    assert kept(idle) == ["ry"]
    flipped = Circuit(2, (Op("x", (1,)), ry, Op("cx", (1, 0)))).measure("Z0")
    assert kept(flipped) == ["x", "ry", "cx"]
