"""The oracle itself, against closed forms and against dense matrices."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import GATES, Angle, Circuit, Op
from fedqml.quantum.angle import Term
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.gates import Rotation

from .. import dense
from ..strategies import arguments, circuits, numbers, some, value_and_gradients

NONE = torch.zeros(0, dtype=torch.float64)


def evaluate(circuit, *weights):
    return simulate(circuit, NONE, torch.tensor(weights, dtype=torch.float64))


@some
@given(circuits(max_qubits=3), st.integers(0, 1000))
def test_random_circuits_equal_dense_matrices(circuit, seed):
    x, w = arguments(circuit, seed)
    found = value_and_gradients(simulate, circuit, x, w)
    expected = value_and_gradients(dense.evaluate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", GATES)
def test_every_gate_on_every_order_of_wires(name):
    """Between fixed rotations that leave no amplitude zero, so that no mistake can hide."""
    gate = GATES[name]
    turn = [
        Op(kind, (q,), Angle.constant(0.4 + 0.7 * q + k))
        for k, kind in enumerate(("ry", "rz"))
        for q in range(3)
    ]
    angle = Angle.weight(0) if isinstance(gate, Rotation) else None
    w = torch.tensor([1.3] if angle else [], dtype=torch.float64)
    for wires in itertools.permutations(range(3), len(gate.symbols)):
        circuit = Circuit(3, (*turn, Op(name, wires, angle), *turn))
        circuit = circuit.measure("Z0", "Z1", "Z2", "X0 Y1", "Y0 Z2", "X0 X1 X2")
        torch.testing.assert_close(
            simulate(circuit, NONE, w), dense.evaluate(circuit, NONE, w), rtol=0, atol=1e-13
        )


def test_ry_turns_z_into_the_cosine():
    circuit = Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure("X0", "Y0", "Z0")
    for angle in (-3.0, 0.0, 0.4, math.pi / 2, 5.0):
        expected = torch.tensor([math.sin(angle), 0, math.cos(angle)], dtype=torch.float64)
        torch.testing.assert_close(evaluate(circuit, angle), expected, rtol=0, atol=1e-15)


def test_every_source_and_map_of_one_kind_of_gate():
    """The device computes alike gates together; those that only look alike must not mix."""
    angles = [
        *(Angle.input(0), Angle.input(0, map="arctan"), Angle.input(0, map="arctan_square")),
        *(
            Angle.weight(0),
            Angle((Term(weights=(0,), map="arctan", scale=2.0),), -0.5),
            Angle.constant(0.7),
        ),
        *(Angle.input(1), -Angle.input(0)),
    ]
    ops = tuple(Op("ry", (q,), angle) for q, angle in enumerate(angles))
    circuit = Circuit(len(ops), ops).measure(*(f"X{q}" for q in range(len(ops))))
    x, w = torch.tensor([[0.3, 1.2], [-0.8, 0.1]], dtype=torch.float64), 2.0
    a, b = x.unbind(-1)
    fixed = torch.ones(2, dtype=torch.float64)
    expected = [a, a.atan(), (a * a).atan(), w * fixed, (2 * math.atan(w) - 0.5) * fixed]
    expected += [0.7 * fixed, b, -a]
    found = simulate(circuit, x, torch.tensor([w], dtype=torch.float64))
    torch.testing.assert_close(found, torch.stack(expected, -1).sin(), rtol=0, atol=1e-15)


def test_signs_of_rx_and_rz():
    """A turn about x by a brings z to (0, -sin a, cos a); one about z by a brings x to y."""
    a = 0.7
    rx = Circuit(1, (Op("rx", (0,), Angle.weight(0)),)).measure("X0", "Y0", "Z0")
    expected = torch.tensor([0, -math.sin(a), math.cos(a)], dtype=torch.float64)
    torch.testing.assert_close(evaluate(rx, a), expected, rtol=0, atol=1e-15)
    for gate in ("rz", "phase"):
        ops = (Op("h", (0,)), Op(gate, (0,), Angle.weight(0)))
        expected = torch.tensor([math.cos(a), math.sin(a), 0], dtype=torch.float64)
        found = evaluate(Circuit(1, ops).measure("X0", "Y0", "Z0"), a)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


def test_bell_pair():
    bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1))))
    words = ("Z0", "Z1", "Z0 Z1", "X0 X1", "Y0 Y1", "X0 Z1")
    found = evaluate(bell.measure(*words))
    expected = torch.tensor([0, 0, 1, 1, -1, 0], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


def test_chsh_of_a_bell_pair_reaches_tsirelsons_bound():
    bell = (Op("h", (0,)), Op("cx", (0, 1)))
    total = 0.0
    for a, b, sign in ((0, 1, 1), (0, -1, 1), (2, 1, 1), (2, -1, -1)):
        turned = (*bell, Op("ry", (0,), Angle.weight(0)), Op("ry", (1,), Angle.weight(1)))
        value = evaluate(Circuit(2, turned).measure("Z0 Z1"), -a * math.pi / 4, -b * math.pi / 4)
        total += sign * float(value)
    assert math.isclose(total, 2 * math.sqrt(2), rel_tol=1e-14)


def test_ghz_state_of_many_qubits():
    n = 10
    ops = (Op("h", (0,)), *(Op("cx", (q, q + 1)) for q in range(n - 1)))
    every = [" ".join(f"{letter}{q}" for q in range(n)) for letter in "XZ"]
    found = evaluate(Circuit(n, ops).measure("Z0", "Z0 Z9", *every))
    expected = torch.tensor([0, 1, 1, 1], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_product_states_factorise():
    ops = [
        Op(gate, (q,), Angle.weight(2 * q + k))
        for q in range(3)
        for k, gate in enumerate(("ry", "rx"))
    ]
    words = ("Z0", "X1", "Y2", "Z0 X1", "X1 Y2", "Z0 X1 Y2")
    z, x, y, zx, xy, zxy = evaluate(Circuit(3, tuple(ops)).measure(*words), 0.3, 1, 2, 0.8, 4, 1.5)
    for found, expected in ((zx, z * x), (xy, x * y), (zxy, z * x * y)):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)
        assert expected.abs() > 0.01


@some
@given(st.lists(st.permutations(range(4)).map(lambda wires: tuple(wires[:2])), max_size=20))
def test_cnots_keep_all_zeros(pairs):
    circuit = Circuit(4, tuple(Op("cx", pair) for pair in pairs)).measure("Z0", "Z1", "Z2", "Z3")
    assert torch.equal(evaluate(circuit), torch.ones(4, dtype=torch.float64))


@some
@given(st.lists(st.permutations(range(4)).map(lambda wires: tuple(wires[:2])), max_size=20))
def test_cnots_are_a_permutation_of_basis_states(pairs):
    """Starting from 1010, the signs of Z follow the classical XOR."""
    bits = [1, 0, 1, 0]
    for control, target in pairs:
        bits[target] ^= bits[control]
    ops = (Op("x", (0,)), Op("x", (2,)), *(Op("cx", pair) for pair in pairs))
    found = evaluate(Circuit(4, ops).measure("Z0", "Z1", "Z2", "Z3"))
    assert found.tolist() == [1 - 2 * bit for bit in bits]


def test_the_shift_by_half_pi_is_the_gradient():
    circuit = Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure("Z0")
    angle = 0.6
    shifted = evaluate(circuit, angle + math.pi / 2) - evaluate(circuit, angle - math.pi / 2)
    assert math.isclose(float(shifted) / 2, -math.sin(angle), rel_tol=1e-14)


def test_an_empty_circuit_stays_in_zero():
    circuit = Circuit(2, ()).measure("Z0", "X1", "Z0 Z1")
    assert simulate(circuit, torch.zeros(3, 0), torch.zeros(0)).tolist() == [[1, 0, 1]] * 3


def test_a_batch_is_its_examples_one_by_one():
    circuit = Circuit(
        3,
        (
            Op("ry", (0,), Angle.input(0)),
            Op("crx", (0, 2), 1.5 * Angle.input(1, map="arctan") + 0.2),
            Op("rz", (2,), Angle.weight(0)),
            Op("rxx", (1, 2), -Angle.input(0, map="arctan_square")),
        ),
    ).measure("Z2", "Y1 X2")
    x, w = numbers(1, 4, 5, 2), numbers(2, 1)
    rows = torch.stack([simulate(circuit, row, w) for row in x.reshape(-1, 2)])
    torch.testing.assert_close(simulate(circuit, x, w).reshape(-1, 2), rows, rtol=0, atol=1e-15)


def test_everything_it_makes_lies_where_the_weights_lie():
    """Tensors on the meta device refuse to meet one that was left on the CPU."""
    ops = [
        Op(name, tuple(range(len(gate.symbols))), angle)
        for name, gate in GATES.items()
        for angle in (
            [Angle.weight(0), Angle.input(1, map="arctan"), Angle.constant(0.5)]
            if isinstance(gate, Rotation)
            else [None]
        )
    ]
    circuit = Circuit(2, tuple(ops)).measure("Z0", "X0 Y1")
    x, w = torch.zeros(3, 2, device="meta"), torch.zeros(1, device="meta")
    result = simulate(circuit, x, w)
    assert result.device == torch.device("meta")
    assert result.shape == (3, 2)
    untouched = simulate(Circuit(1, ()).measure("Z0"), x[:, :0], w[:0])
    assert untouched.device == torch.device("meta")
