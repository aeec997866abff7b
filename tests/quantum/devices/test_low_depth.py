"""Circuits that the compiled device evaluates without a state vector."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import jacrev, jvp

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.angle import Term
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.devices.statevector import evaluate
from fedqml.quantum.native import call
from fedqml.quantum.native.program import compile
from fedqml.quantum.native.sums import Network
from fedqml.quantum.native.tape import Passes

from ..strategies import arguments, numbers, some, value_and_gradients


def ring(qubits, depth=2, entangler="ring"):
    whole = encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth, entangler)
    return whole.measure("Z0", f"Z{min(1, qubits - 1)}")


def bricks(qubits, gate, depth):
    """Neighbours meet in turn, pair by pair."""
    ops, weights = [], 0
    for layer in range(depth):
        for q in range(qubits):
            ops.append(Op(("ry", "rx")[layer % 2], (q,), Angle.weight(weights := weights + 1)))
        for q in range(layer % 2, qubits - 1, 2):
            angle = None if gate in ("cx", "cz", "cy", "swap") else Angle.input(q) * 0.7
            ops.append(Op(gate, (q, q + 1), angle))
    return Circuit(qubits, tuple(ops)).measure(f"Z{qubits // 2}", "X0 Y1", "Y0")


def uses(circuit, kind):
    return isinstance(compile(circuit).tape.method, kind)


def check(circuit, seed, *batch):
    assert uses(circuit, Network)
    x, w = arguments(circuit, seed, *batch)
    found = value_and_gradients(evaluate, circuit, x, w)
    expected = value_and_gradients(simulate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("entangler", ["ring", "chain"])
@pytest.mark.parametrize(("qubits", "depth"), [(n, d) for n in range(2, 13) for d in (1, 2)])
def test_the_ansatz_of_the_paper(qubits, depth, entangler):
    check(ring(qubits, depth, entangler), qubits, 3)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("gate", ["cx", "cz", "cy", "swap", "rzz", "rxx", "ryy", "crx", "crz"])
def test_bricks(gate):
    check(bricks(7, gate, depth=3), 1, 9)


@some
@given(st.integers(2, 12), st.integers(1, 2), st.sampled_from(["ring", "chain"]), st.data())
def test_what_is_chosen_is_right(qubits, depth, entangler, data):
    circuit = ring(qubits, depth, entangler)
    x, w = arguments(circuit, data.draw(st.integers(0, 1000)), data.draw(st.sampled_from([0, 5])))
    found = value_and_gradients(evaluate, circuit, x, w)
    expected = value_and_gradients(simulate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_the_cheaper_way_is_chosen():
    assert all(uses(ring(n), Network) for n in (6, 8, 16, 64))
    assert uses(ring(12, depth=3), Network)
    assert all(
        uses(ring(n, depth), Passes) for n, depth in ((4, 2), (4, 3), (4, 6), (8, 3), (12, 6))
    )


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("batch", [3, 20])
def test_gradients_of_a_weight_read_many_times_are_summed_in_float64(batch):
    """Two of three contributions cancel, which are a million times larger than the third."""
    ops = [
        Op("ry", (q,), Angle((Term(inputs=(q,), weights=(0,), map="product"),))) for q in range(3)
    ]
    program = compile(Circuit(3, tuple(ops)).measure("Z0", "Z1", "Z2"))
    x, w = numbers(1, batch, 1).expand(-1, 3), torch.tensor([0.3], dtype=torch.float64)
    g = torch.tensor([1, 1e-6, -1], dtype=torch.float64).expand(batch, 3)
    nothing = torch.empty(0)
    _, expected = call.gradients(program, x, w, g, nothing)
    _, found = call.gradients(program, x.float(), w.float(), g.float(), nothing)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=0)


def test_many_qubits_that_never_meet():
    circuit = encodings.arctan(70, hadamard=False).measure("Z0 Z69", *(f"Z{q}" for q in range(70)))
    x = numbers(1, 5, 70).requires_grad_()
    values = evaluate(circuit, x, torch.zeros(0, dtype=torch.float64))
    z = torch.cos(torch.atan(x))
    torch.testing.assert_close(values[:, 1:], z, rtol=0, atol=1e-14)
    torch.testing.assert_close(values[:, 0], z[:, 0] * z[:, 69], rtol=0, atol=1e-14)
    (found,) = torch.autograd.grad(values.sum(), x, retain_graph=True)
    (expected,) = torch.autograd.grad(z.sum() + (z[:, 0] * z[:, 69]).sum(), x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_a_cat_of_many_qubits():
    """cos θ/2 |0...0⟩ + sin θ/2 |1...1⟩"""
    n = 50
    ops = [Op("ry", (0,), Angle.weight(0)), *(Op("cx", (q, q + 1)) for q in range(n - 1))]
    words = ["Z49", "Z3 Z31", " ".join(f"X{q}" for q in range(n)), "X0 X1"]
    circuit = Circuit(n, tuple(ops)).measure(*words)
    w = torch.tensor([0.7], dtype=torch.float64)

    def values(w):
        return evaluate(circuit, torch.zeros(0, dtype=torch.float64), w)

    c, s = math.cos(0.7), math.sin(0.7)
    torch.testing.assert_close(values(w), torch.tensor([c, 1, s, 0], dtype=torch.float64))
    slopes = torch.tensor([[-s], [0], [c], [0]], dtype=torch.float64)
    torch.testing.assert_close(jacrev(values)(w), slopes)


def test_a_ring_of_many_qubits():
    """Without turns it sends Z_k to a product of Z, which are known in the product state; with
    turns the slopes are those of the parameter-shift rule."""
    n = 64
    circuit = ring(n)
    x, w = numbers(1, 3, n), 6 * numbers(2, circuit.n_weights)
    frame = [1 << q for q in range(n)]  # the bits whose parity each qubit has
    for q in [*range(n)] * 2:
        frame[(q + 1) % n] ^= frame[q]
    z = -torch.sin(torch.atan(x))  # RY after H
    expected = [
        torch.stack([z[:, q] for q in range(n) if frame[k] >> q & 1]).prod(0) for k in (0, 1)
    ]
    values = evaluate(circuit, x, torch.zeros_like(w))
    torch.testing.assert_close(values, torch.stack(expected, -1), rtol=0, atol=1e-12)
    slopes = jacrev(lambda w: evaluate(circuit, x, w))(w)
    for k in (1, 4, 3 * n - 2, 3 * n + 1):
        shift = torch.zeros_like(w)
        shift[k] = math.pi / 2
        rule = (evaluate(circuit, x, w + shift) - evaluate(circuit, x, w - shift)) / 2
        torch.testing.assert_close(slopes[..., k], rule, rtol=0, atol=1e-12)
    assert slopes.abs().max() > 1e-6


def test_gradients_in_single_precision_are_summed_in_double():
    """A sum of equal terms in single precision would be off by more."""
    circuit = ring(8)
    x, w = numbers(1, 1, 8).float(), (6 * numbers(2, circuit.n_weights)).float()

    def slope(rows):
        leaf = w.clone().requires_grad_()
        evaluate(circuit, x.expand(rows, 8), leaf).sum().backward()
        return leaf.grad.double()

    torch.testing.assert_close(slope(5000), 5000 * slope(1), rtol=2e-7, atol=0)


def test_deep_circuits_of_many_qubits_are_refused():
    circuit = ring(27, depth=6)
    x, w = numbers(1, 2, circuit.n_inputs), numbers(2, circuit.n_weights)
    with pytest.raises(InputError, match="`n_qubits` must be at most 26 for a state vector"):
        evaluate(circuit, x, w)


def test_what_only_a_state_vector_can_do_is_refused_for_many_qubits():
    circuit = ring(40)
    x, w = numbers(1, 2, 40), numbers(2, circuit.n_weights)
    with pytest.raises(InputError, match="`n_qubits` must be at most 26 for a state vector"):
        jvp(lambda w: evaluate(circuit, x, w), (w,), (w,))
