"""Random directions against closed forms, exactly where that is possible."""

import math

import pytest
import torch
from torch.func import grad, jacrev, vmap

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Device, Op, ansatze, devices, encodings
from fedqml.quantum.device import Cost
from fedqml.quantum.devices.reference import simulate

from ..strategies import arguments, numbers
from .counting import counting, keys, rows

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1")
SMALL = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("X0", "Z0 Y1")
TURN = Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure("Z0")
SLOPES = numbers(5, 8)


def linear(circuit, x, w):
    """Not a circuit's values, but a function whose differences are exact."""
    return (torch.cat([x, w.expand(*x.shape[:-1], -1)], -1) @ SLOPES)[..., None]


@pytest.mark.parametrize("step", [0.1, 0.7])
def test_a_linear_function_gives_its_slope_along_the_direction(step):
    """The estimate is (a·Δ)Δ, whatever the step."""
    device = devices.spsa(Device(linear), step)
    circuit = SMALL.measure("Z0")
    x, w = arguments(circuit, 1, 50)
    values = device(circuit, x, w, torch.tensor(3))
    by_x = torch.autograd.grad(values.sum(), x, retain_graph=True)[0]
    # weights are shared: the examples' estimates are summed
    by_w = torch.autograd.grad(values.sum(), w)[0]

    def one(row, w, key):
        return device(circuit, row, w, key).sum()

    each = torch.cat(vmap(grad(one, (0, 1)), (0, None, 0))(x, w, torch.arange(50)), -1)
    assert each.shape == (50, 8)
    signs = each.sign()
    expected = (signs @ SLOPES)[:, None] * signs
    torch.testing.assert_close(each, expected, rtol=0, atol=1e-12)
    assert len(signs.unique(dim=0)) > 40
    assert by_x.shape == x.shape
    assert by_w.shape == w.shape


def test_one_weight_has_the_central_difference():
    """(cos(w + c) - cos(w - c)) / 2c = -sin w · sin(c)/c, and its slope likewise."""
    device, w, key = devices.spsa(step=0.3), torch.tensor([0.5], dtype=torch.float64), 7

    def value(w):
        return device(TURN, w[:0], w, torch.tensor(key)).sum()

    shrunk = math.sin(0.3) / 0.3
    slope, curvature = grad(value)(w), jacrev(grad(value))(w)
    torch.testing.assert_close(float(slope), -math.sin(0.5) * shrunk)
    torch.testing.assert_close(float(curvature), -math.cos(0.5) * shrunk**2)


def test_inputs_that_need_no_gradient_stay_where_they_are():
    """One weight moves alone, so that its difference is exact up to the step."""
    circuit = Circuit(1, (Op("rx", (0,), Angle.input(0)), *TURN.ops)).measure("Z0")
    device, x = devices.spsa(step=1e-4), numbers(1, 6, 1)
    w = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    device(circuit, x, w, torch.tensor(1)).sum().backward()
    expected = grad(lambda w: simulate(circuit, x, w).sum())(w.detach())
    torch.testing.assert_close(w.grad, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("repeats", [1, 4])
def test_the_mean_over_directions_is_the_gradient(repeats):
    x, w = (v.detach() for v in arguments(SMALL, 1))
    device, count = devices.spsa(step=0.01, repeats=repeats), 4000

    def value(x, w, key):
        return device(SMALL, x, w, key) @ numbers(2, 2)

    found = vmap(grad(value, (0, 1)), (None, None, 0))(x, w, torch.arange(count))
    exact = grad(lambda x, w: simulate(SMALL, x, w) @ numbers(2, 2), (0, 1))(x, w)
    for estimate, expected in zip(found, exact, strict=True):
        allowed = 5 * estimate.std(0) / count**0.5 + 1e-3  # a bias in the square of the step
        assert ((estimate.mean(0) - expected).abs() <= allowed).all()
    # others' slopes are what spreads: Σ_{j≠k} a_j² for a single direction
    total = torch.cat(exact).square()
    spread = ((total.sum() - total) / repeats).sqrt()
    torch.testing.assert_close(torch.cat(found, -1).std(0), spread, rtol=0.1, atol=0)


@pytest.mark.parametrize("repeats", [1, 3])
def test_values_and_costs_are_those_of_the_inner_device(repeats):
    inner, calls = counting()
    device = devices.spsa(inner, repeats=repeats)
    assert device.random
    assert device.forward(PAPER) == Cost(1)
    assert device.gradient(PAPER, True) == Cost(1 + 2 * repeats)
    x, w = arguments(PAPER, 1, 5)
    values = device(PAPER, x, w, torch.tensor(1))
    torch.testing.assert_close(values, simulate(PAPER, x, w), rtol=0, atol=1e-12)
    values.sum().backward()
    assert rows(calls) == 5 * (1 + 2 * repeats)
    assert len(calls) == 2
    shots = devices.spsa(devices.sampled(shots=9), repeats=repeats)
    assert shots.gradient(PAPER, False) == (1 + 2 * repeats) * Cost(1, 9)


def test_a_random_device_inside_draws_anew_at_every_point():
    inner, calls = counting(random=True)
    x, w = arguments(PAPER, 1, 3)
    given = torch.tensor([5, 6, 7])
    values = devices.spsa(inner, repeats=2)(PAPER, x, w, given)
    assert torch.equal(keys(calls), given)
    values.sum().backward()
    assert len(keys(calls).unique()) == rows(calls) == 3 * 5


@pytest.mark.parametrize("batch", [0, 1, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_precision_of_gradients(batch, dtype):
    x, w = (v.detach().to(dtype).requires_grad_() for v in arguments(PAPER, 1, batch))
    devices.spsa(repeats=2)(PAPER, x, w, torch.tensor(1)).sum().backward()
    assert x.grad.dtype == w.grad.dtype == dtype
    assert x.grad.shape == (batch, 4)
    assert bool(w.grad.abs().min() > 0) == (batch > 0)


def test_it_refuses():
    with pytest.raises(InputError, match="Argument `step` must be above 0"):
        devices.spsa(step=0.0)
    with pytest.raises(InputError, match="Argument `repeats` must be at least 1"):
        devices.spsa(repeats=0)
    w = torch.tensor([0.5])
    with pytest.raises(NotImplementedError, match="no forward derivatives"):
        torch.func.jvp(lambda w: devices.spsa()(TURN, w[:0], w, torch.tensor(1)), (w,), (w,))
