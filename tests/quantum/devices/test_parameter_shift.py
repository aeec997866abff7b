"""Shifted circuits: as many as are needed, no more, and the right ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, jacfwd, jacrev, jvp, vmap

from fedqml.quantum import GATES, Angle, Circuit, Op, ansatze, devices, encodings, estimate
from fedqml.quantum.angle import Term
from fedqml.quantum.device import Cost
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.gates import Rotation
from fedqml.quantum.shifts import executions_per_gradient

from ..strategies import arguments, circuits, numbers, value_and_gradients
from .counting import counting, keys, rows

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1")
SMALL = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("X0", "Z0 Y1")
MIXED = Circuit(
    2,
    (
        Op("h", (0,)),
        Op("ry", (0,), Angle.input(0) + 0.5),
        Op("crx", (0, 1), Angle((Term((0,), (1,), "product"), Term((), (0,), scale=0.7)))),
        Op("rz", (1,), Angle.weight(0)),
        Op("rx", (1,), Angle.constant(0.3)),
    ),
).measure("Z0", "X1")
PRECISION = {torch.float64: 1e-10, torch.float32: 1e-4}

shifts = devices.parameter_shift()


def loss(device, circuit=PAPER):
    return lambda w, x: device(circuit, x, w).square().sum()


@pytest.mark.parametrize("dtype", PRECISION)
@settings(max_examples=25, deadline=None)
@given(circuits(), st.sampled_from([0, 1, 33]), st.integers(0, 1000))
def test_random_circuits(dtype, circuit, batch, seed):
    x, w = (v.detach().to(dtype).requires_grad_() for v in arguments(circuit, seed, batch))
    found = value_and_gradients(shifts, circuit, x, w)
    double = (v.detach().double().requires_grad_() for v in (x, w))
    expected = value_and_gradients(simulate, circuit, *double)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == dtype
        scale = 1 + float(other.abs().max()) if other.numel() else 1
        torch.testing.assert_close(one.double(), other, rtol=0, atol=PRECISION[dtype] * scale)


@pytest.mark.parametrize("name", [n for n, gate in GATES.items() if isinstance(gate, Rotation)])
def test_every_gate_with_an_angle(name):
    """Shared by two gates, of an input, a weight and their product, between other turns."""
    wires = (0, 1)[: len(GATES[name].symbols)]
    angle = Angle((Term((0,), (0,), "product", -0.6), Term((0,), map="arctan")), 0.2)
    turns = tuple(Op("ry", (q,), Angle.weight(1 + q)) for q in range(2))
    ops = (*turns, Op(name, wires, angle), *turns, Op("cx", (1, 0)), Op(name, wires, angle))
    circuit = Circuit(2, (*ops, *turns)).measure("Z0", "X1", "X0 Y1")
    x, w = arguments(circuit, 5, 4)
    found = value_and_gradients(shifts, circuit, x, w)
    for one, other in zip(found, value_and_gradients(simulate, circuit, x, w), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("inner", [devices.reference(), devices.statevector("backprop"), shifts])
def test_any_device_inside(inner):
    x, w = arguments(MIXED, 1, 3)
    found = value_and_gradients(devices.parameter_shift(inner), MIXED, x, w)
    for one, other in zip(found, value_and_gradients(simulate, MIXED, x, w), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("circuit", [PAPER, MIXED])
@pytest.mark.parametrize(("by_x", "by_w"), [(True, True), (False, True), (True, False)])
def test_it_evaluates_what_it_says_it_costs(circuit, by_x, by_w):
    inner, calls = counting()
    device = devices.parameter_shift(inner)
    x, w = (v.detach() for v in arguments(circuit, 1, 5))
    values = device(circuit, x.requires_grad_(by_x), w.requires_grad_(by_w))
    assert rows(calls) == 5 * device.forward(circuit).evaluations == 5
    values.sum().backward()
    cost = device.gradient(circuit, by_x)
    if by_w:
        assert rows(calls) == 5 * cost.evaluations
        assert cost == Cost(executions_per_gradient(circuit, by_x))
    else:  # weights that are not trained: only angles of inputs, or of both
        assert rows(calls) == 5 * (1 + {PAPER: 16, MIXED: 2 + 4}[circuit])


def test_costs_of_the_inner_device_are_multiplied():
    device = devices.parameter_shift(devices.sampled(shots=7))
    assert device.random
    assert device.forward(MIXED) == Cost(1, 7)
    assert device.gradient(MIXED, False) == (1 + 4 + 2) * Cost(1, 7)


@pytest.mark.parametrize("mapped", [(0, 0), (0, None), (None, 0)])
def test_clients_go_to_the_inner_device_together(mapped):
    inner, calls = counting()
    device = devices.parameter_shift(inner)
    w, x = 6 * numbers(1, 3, 24), numbers(2, 3, 2, 4)
    w, x = (v if dim == 0 else v[0] for v, dim in zip((w, x), mapped, strict=True))
    found = vmap(grad(loss(device), (0, 1)), mapped)(w, x)
    assert [x.shape[0] for x, _ in calls] == [6, 6 * 64]
    expected = vmap(grad(loss(devices.statevector()), (0, 1)), mapped)(w, x)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_gradients_of_single_examples_and_nested_maps():
    w, x = 6 * numbers(1, 3, 24), numbers(2, 3, 5, 4)
    each = vmap(grad(loss(shifts)), (None, 0))(w[0], x[0])
    torch.testing.assert_close(each, torch.stack([grad(loss(shifts))(w[0], row) for row in x[0]]))
    nested = vmap(vmap(grad(loss(shifts)), (None, 0)))(w, x)
    torch.testing.assert_close(nested[0], each, rtol=0, atol=1e-12)
    outside = grad(lambda w: vmap(lambda v: loss(shifts)(w[0], v))(x).sum())(w)
    torch.testing.assert_close(outside[0], grad(lambda v: loss(shifts)(v, x))(w[0]))


def test_chunks_of_rows_change_no_bit(monkeypatch):
    w, x = 6 * numbers(1, 24), numbers(2, 5, 4)
    whole = jacrev(lambda w, x: shifts(PAPER, x, w), (0, 1))(w, x)
    monkeypatch.setattr(estimate, "_ROWS", 7)
    assert all(map(torch.equal, whole, jacrev(lambda w, x: shifts(PAPER, x, w), (0, 1))(w, x)))


def test_second_and_third_derivatives():
    w, x = 6 * numbers(1, 6), numbers(2, 2, 2)
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        found = jacrev(jacrev(loss(shifts, SMALL), a), b)(w, x)
        expected = jacrev(jacrev(loss(simulate, SMALL), a), b)(w, x)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    third = jacrev(jacrev(jacrev(lambda v: shifts(SMALL, x[0], v))))(w)
    expected = jacrev(jacrev(jacrev(lambda v: simulate(SMALL, x[0], v))))(w)
    torch.testing.assert_close(third, expected, rtol=0, atol=1e-10)


def test_gradgradcheck_with_clients_mapped():
    w, x = (6 * numbers(6, 2, 2)).requires_grad_(), numbers(7, 2, 3, 1).requires_grad_()

    def call(w, x):
        return vmap(lambda a, b: shifts(MIXED, b, a))(w, x)

    assert torch.autograd.gradcheck(call, (w, x))
    assert torch.autograd.gradgradcheck(call, (w, x))


def test_forward_derivatives_are_refused():
    w, x = 6 * numbers(1, 24), numbers(2, 4)

    def values(w):
        return shifts(PAPER, x, w)

    for derivative in (
        lambda: jvp(values, (w,), (w,)),
        lambda: jacfwd(values)(w),
        lambda: jvp(lambda v: jvp(lambda u: values(v) * u[0], (w,), (w,)), (w,), (w,)),
        lambda: jacfwd(jacrev(values))(w),
    ):
        with pytest.raises(NotImplementedError, match="no forward derivatives"):
            derivative()


def test_a_random_device_draws_anew_for_every_shifted_circuit():
    inner, calls = counting(random=True)
    device = devices.parameter_shift(inner)
    assert device.random
    x, w = arguments(SMALL, 1, 3)
    given = torch.tensor([5, 6, 7])
    values = device(SMALL, x, w, given)
    assert torch.equal(keys(calls), given)  # the values are the inner device's
    first = torch.autograd.grad(values.sum(), w, create_graph=True)[0]
    assert len(keys(calls).unique()) == rows(calls) == 3 * 21
    first.sum().backward()
    assert len(keys(calls).unique()) == rows(calls) == 3 * (21 + 20 * 20)


def test_circuits_that_read_nothing():
    circuit = Circuit(2, (Op("h", (0,)), Op("rx", (1,), Angle.constant(1.0)))).measure("X0", "Z1")
    for batch in ((), (0,), (2, 3)):
        x, w = arguments(circuit, 1, *batch)
        found = value_and_gradients(shifts, circuit, x, w)
        for one, other in zip(found, value_and_gradients(simulate, circuit, x, w), strict=True):
            torch.testing.assert_close(one, other)
