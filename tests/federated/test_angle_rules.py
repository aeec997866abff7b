"""Rules that know which weights are angles."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import circmean

from fedqml.core.angles import Angles
from fedqml.core.errors import InputError
from fedqml.core.transform import chain
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregators import circular_mean, mean, su2_mean
from fedqml.federated.columns import WIDTH
from fedqml.federated.euler import euler_angles, quaternions
from fedqml.federated.preaggregators import fedasync

PI = math.pi
seeds = st.integers(0, 10**6)
few = settings(max_examples=10)


def angles(d, periods=2 * PI, others=0, rotations=()):
    """Return d angles and behind them other weights."""
    triples = torch.tensor(rotations, dtype=torch.int64).reshape(-1, 3)
    each = torch.full((d,), periods, dtype=torch.float64)
    return Angles(d + others, torch.arange(d), each, triples)


ONE = angles(3, rotations=[(0, 1, 2)])


def uniform(k, d, seed, spread=PI):
    generator = torch.Generator().manual_seed(seed)
    return spread * (2 * torch.rand(k, d, generator=generator, dtype=torch.float64) - 1)


def step(rule, delta, weight=None, before=None):
    clients, weight = torch.arange(len(delta)), torch.ones(len(delta)) if weight is None else weight
    before = torch.zeros(1, delta.shape[1]).to(delta) if before is None else before[None]
    rule.init(before[0])
    updates = Updates(clients, delta, torch.as_tensor(weight).to(delta), {})
    return rule.apply(updates, {}, Context(1, clients, before, seed=0))[0].delta[0]


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def apart(x, y, period=2 * PI):
    """Return how far angles are from each other, round the circle."""
    return (torch.remainder(x - y + period / 2, period) - period / 2).abs()


def gates(w):
    """Return RZ(w2) RY(w1) RZ(w0) as matrices."""
    a, b, c = (w / 2).to(torch.complex128).unbind(-1)
    zero = torch.zeros_like(a)
    z = [torch.stack([(-1j * t).exp(), zero, zero, (1j * t).exp()], -1) for t in (a, c)]
    y = torch.stack([b.cos(), -b.sin(), b.sin(), b.cos()], -1)
    first, middle, last = (u.unflatten(-1, (2, 2)) for u in (z[0], y, z[1]))
    return last @ middle @ first


def fidelity(w, v):
    """Return |tr(U† V)| / 2 of two rotations: 1 if they are the same up to a phase."""
    product = gates(w).mH @ gates(v)
    return product.diagonal(dim1=-2, dim2=-1).sum(-1).abs() / 2


# Circular mean


def test_two_angles_across_the_cut():
    across = column(PI - 0.3, -PI + 0.1)
    result = step(circular_mean(angles(1)), across)
    torch.testing.assert_close(result, torch.tensor([PI - 0.1], dtype=torch.float64))
    assert step(mean(), across).abs() < 0.2


def test_unequal_weights_pull_by_their_vectors():
    result = step(circular_mean(angles(1)), column(0.0, PI / 2), weight=[3.0, 1.0])
    assert float(result) == pytest.approx(math.atan2(1, 3))


@pytest.mark.parametrize("period", [1.0, 2 * PI, 4 * PI])
def test_the_cut_is_at_half_a_period(period):
    result = step(circular_mean(angles(1, period)), column(0.45 * period, -0.35 * period))
    assert float(result) == pytest.approx(-0.45 * period)
    inside = step(circular_mean(angles(1, period)), column(0.2 * period, -0.1 * period))
    assert float(inside) == pytest.approx(0.05 * period)


def test_where_no_direction_is_left_it_is_the_mean():
    against = column(PI - 0.1, 0.0)
    assert float(step(circular_mean(angles(1)), against)) == pytest.approx(PI / 2 - 0.05)
    assert float(step(circular_mean(angles(1), least_length=0.0), against)) == pytest.approx(
        PI / 2 - 0.05
    )
    spread = column(0.0, 2 * PI / 3, -2 * PI / 3 - 1e-9)
    assert float(step(circular_mean(angles(1)), spread)) == pytest.approx(-1e-9 / 3, abs=1e-12)
    length = math.cos(1.4)
    for least, expected in ((length - 1e-9, PI), (length + 1e-9, 0.0)):
        rule = circular_mean(angles(1), least_length=least)
        assert abs(float(step(rule, column(PI - 1.4, 1.4 - PI)))) == pytest.approx(expected)


def test_a_length_that_no_mean_has_is_refused():
    for least in (-0.1, 1.5):
        with pytest.raises(InputError, match=r"`least_length` must be in \[0, 1\]"):
            circular_mean(ONE, least_length=least)
        with pytest.raises(InputError, match=r"`least_gap` must be in \[0, 1\]"):
            su2_mean(ONE, least_gap=least)


@pytest.mark.parametrize("rule", [circular_mean, su2_mean])
def test_the_angles_must_be_those_of_the_model(rule):
    with pytest.raises(InputError, match=r"`angles.size` must be those .* 4 weights, but .*=3"):
        step(rule(ONE), torch.zeros(2, 4))


@few
@given(k=st.integers(1, 9), seed=seeds)
def test_it_is_scipy_s_circular_mean(k, seed):
    x = uniform(k, 20, seed)
    expected = circmean(x.numpy(), high=PI, low=-PI, axis=0)
    result = step(circular_mean(angles(20), least_length=0.0), x)
    assert apart(result, torch.from_numpy(expected)).max() < 1e-12
    assert result.abs().max() <= PI


@few
@given(seed=seeds, by=st.floats(-9, 9), turns=st.integers(-2, 2))
def test_a_turn_of_all_is_one_of_the_mean(seed, by, turns):
    x = uniform(7, 5, seed)
    rule = circular_mean(angles(5), least_length=0.0)
    assert apart(step(rule, x + by), step(rule, x) + by).max() < 1e-9
    x[2] += turns * 2 * PI
    assert apart(step(rule, x), step(rule, uniform(7, 5, seed))).max() < 1e-9


@few
@given(seed=seeds, data=st.data())
def test_who_sent_an_angle_does_not_matter(seed, data):
    order = list(data.draw(st.permutations(range(7))))
    x, weight = uniform(7, 6, seed), uniform(7, 1, seed + 1)[:, 0].abs() + 0.1
    for rule in (circular_mean(angles(6)), su2_mean(angles(6, rotations=[(0, 1, 2), (3, 4, 5)]))):
        one, other = step(rule, x, weight), step(rule, x[order], weight[order])
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


@few
@given(seed=seeds)
def test_it_agrees_with_the_mean_to_the_third_order_of_the_spread(seed):
    x = uniform(7, 5, seed, spread=1.0)
    rule = circular_mean(angles(5))
    for spread in (0.3, 0.1, 0.01):
        away = (step(rule, spread * x) - step(mean(), spread * x)).abs().max()
        assert away <= spread**3
    # the third cumulant is what differs
    centred = 0.01 * (x - x.mean(0))
    difference = step(rule, centred) + (centred**3).mean(0) / 6
    assert difference.abs().max() < 1e-3 * 0.01**3


@pytest.mark.parametrize("rule", [circular_mean, su2_mean])
def test_other_weights_are_averaged(rule):
    x = uniform(5, 4, 0)
    x[:, 3] *= 100
    weight = torch.arange(1.0, 6)
    found = angles(3, others=1, rotations=[(0, 1, 2)])
    assert step(rule(found), x, weight)[3] == step(mean(), x, weight)[3]


@pytest.mark.parametrize("rule", [circular_mean, su2_mean])
def test_parts_of_many_columns_are_worked_on_apart(rule):
    d = 3 * (WIDTH + 5)
    triples = torch.arange(d).view(-1, 3).tolist()
    x = uniform(3, d, 0)
    whole = step(rule(angles(d, rotations=triples)), x)
    last = step(rule(angles(3, rotations=[(0, 1, 2)])), x[:, -3:])
    assert torch.equal(whole[-3:], last)


@pytest.mark.parametrize("rule", [circular_mean, su2_mean])
def test_part_by_part_it_is_the_same(rule):
    x, transform = uniform(5, 3, 4), rule(ONE)
    clients = torch.arange(5)
    folding = transform.begin({}, Context(1, clients, torch.zeros(1, 3).double(), seed=0))
    x[3, 1] = math.nan
    for i in range(5):
        folding.add(Updates(clients[i : i + 1], x[i : i + 1], torch.ones(1).double(), {}))
    result, _ = folding.finish()
    assert result.refused.tolist() == [3]
    torch.testing.assert_close(result.delta[0], step(transform, x[[0, 1, 2, 4]]))


# Rotations


@few
@given(seed=seeds)
def test_a_quaternion_is_the_gates_it_stands_for(seed):
    w = uniform(9, 3, seed, spread=9.0)
    q0, q1, q2, q3 = quaternions(w).to(torch.complex128).unbind(-1)
    matrix = torch.stack([q0 - 1j * q3, -1j * q1 - q2, -1j * q1 + q2, q0 + 1j * q3], -1)
    torch.testing.assert_close(matrix.unflatten(-1, (2, 2)), gates(w))


LOCKED = [0.0, PI, -PI, 2 * PI, 1e-13, PI - 1e-13]


@few
@given(seed=seeds, tilt=st.none() | st.sampled_from(LOCKED), sign=st.sampled_from([1, -1]))
def test_angles_go_to_a_rotation_and_back(seed, tilt, sign):
    w = uniform(9, 3, seed, spread=9.0)
    if tilt is not None:
        w[:, 1] = tilt
    q = sign * quaternions(w)
    torch.testing.assert_close(euler_angles(q, w), w, rtol=0, atol=1e-9)
    near = w + uniform(9, 3, seed + 1, spread=0.7)
    found = euler_angles(q, near)
    assert (1 - fidelity(found, w)).max() < 1e-12
    # none of the other angles is nearer
    assert ((found - near).norm(dim=1) <= (w - near).norm(dim=1) + 1e-9).all()


def test_in_gimbal_lock_what_does_not_matter_stays():
    near = torch.tensor([[1.0, 0.3, 2.0]], dtype=torch.float64)
    total = quaternions(torch.tensor([[0.5, 0.0, 2.7]], dtype=torch.float64))
    expected = torch.tensor([[1.1, 0.0, 2.1]], dtype=torch.float64)
    torch.testing.assert_close(euler_angles(total, near), expected)
    difference = quaternions(torch.tensor([[0.5, PI, 1.7]], dtype=torch.float64))
    expected = torch.tensor([[0.9, PI, 2.1]], dtype=torch.float64)
    torch.testing.assert_close(euler_angles(difference, near), expected)


@few
@given(k=st.integers(1, 6), seed=seeds)
def test_it_is_scipy_s_mean_of_rotations(k, seed):
    before, delta = uniform(1, 3, seed)[0], uniform(k, 3, seed + 1)
    weight = torch.arange(1.0, k + 1)
    result = before + step(su2_mean(ONE, least_gap=0.0), delta, weight, before)
    q = quaternions(before + delta).numpy()
    expected = Rotation.from_quat(q[:, [1, 2, 3, 0]]).mean(weights=weight.numpy()).as_quat()
    assert abs(np.dot(quaternions(result).numpy(), expected[[3, 0, 1, 2]])) > 1 - 1e-9


@few
@given(seed=seeds)
def test_rotations_before_or_behind_all_are_ones_of_the_mean(seed):
    """A turn about z is one of an angle; about y the three angles of all clients change."""
    w, turn = uniform(5, 3, seed, spread=0.8), uniform(1, 3, seed + 1)[0]
    around = quaternions(turn)
    for left in (True, False):
        q = torch.stack([_times(around, p) if left else _times(p, around) for p in quaternions(w)])
        moved = euler_angles(q, w)
        rule, zero = su2_mean(ONE), torch.zeros(3).double()
        mean_of_moved = quaternions(step(rule, moved, before=zero))
        alone = quaternions(step(rule, w, before=zero))
        expected = _times(around, alone) if left else _times(alone, around)
        assert abs(float(mean_of_moved @ expected)) > 1 - 1e-9


def _times(p, q):
    """Return the product of two quaternions."""
    u, v = p[1:], q[1:]
    return torch.cat([(p[0] * q[0] - u @ v)[None], p[0] * v + q[0] * u + torch.linalg.cross(u, v)])


@few
@given(seed=seeds, by=st.floats(-9, 9))
def test_turns_about_one_axis_have_their_circular_mean(seed, by):
    x = torch.zeros(6, 3).double()
    x[:, 1] = uniform(6, 1, seed)[:, 0]
    before = torch.tensor([0.0, by, 0.0], dtype=torch.float64)
    for least in (0.0, 0.5):
        one = step(circular_mean(ONE, least_length=least), x)
        assert apart(step(su2_mean(ONE, least_gap=least), x, before=before), one).max() < 1e-7


@few
@given(seed=seeds)
def test_a_small_spread_differs_from_the_mean_in_the_second_order(seed):
    before, x = uniform(1, 3, seed)[0], uniform(7, 3, seed + 1, spread=1.0)
    plain, rule = before + 0.01 * x.mean(0), su2_mean(ONE)
    mean_rotation = before + step(rule, 0.01 * x, before=before)
    assert 1 - fidelity(mean_rotation, plain) < 1e-8


@few
@given(seed=seeds)
def test_rotations_that_are_the_same_have_their_angles(seed):
    before, x = uniform(1, 3, seed, spread=9.0)[0], uniform(1, 3, seed + 1)
    result = step(su2_mean(ONE), x.expand(4, -1), before=before)
    torch.testing.assert_close(result, x[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", [circular_mean, su2_mean])
def test_a_stale_step_is_one_from_the_newest_angles(rule):
    now, begun, x = uniform(1, 3, 0), uniform(1, 3, 1)[0], uniform(1, 3, 2, spread=0.5)
    only = torch.arange(1)
    updates = Updates(only, x, torch.ones(1).double(), {"staleness": torch.ones(1).double()})
    context = Context(2, only, now, seed=0, begun={0: begun})
    step, _ = rule(ONE).apply(updates, {}, context)
    torch.testing.assert_close(step.delta, x)
    # fedasync's rows lead from there to the client's own angles.
    both = chain(fedasync(1.0), rule(ONE))
    step, _ = both.apply(updates, both.init(now[0]), context)
    assert apart(now + step.delta, begun + x).max() < 1e-6


def test_where_no_rotation_is_left_it_is_the_mean():
    opposite = torch.tensor([[0.0, 0, 0], [0, PI, 0]], dtype=torch.float64)
    result = step(su2_mean(ONE), opposite)
    torch.testing.assert_close(result, torch.tensor([0, PI / 2, 0], dtype=torch.float64))


def test_angles_in_no_rotation_have_their_circular_mean():
    found = angles(4, rotations=[(0, 1, 2)])
    x = uniform(5, 4, 3)
    assert step(su2_mean(found), x)[3] == step(circular_mean(found), x)[3]
