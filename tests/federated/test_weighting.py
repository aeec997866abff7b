"""Weights by what clients report or the server knows of them: closed forms and properties."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregators import (
    calibrated_mean,
    fisher_mean,
    inverse_variance_mean,
    mean,
)
from fedqml.federated.calibration import Calibration

positive = st.floats(1e-3, 1e3)


def cohort(rows, weight=None, **reports):
    return Updates(
        torch.arange(len(rows)),
        rows,
        torch.ones(len(rows)).to(rows) if weight is None else torch.tensor(weight).to(rows),
        {"train_loss": rows[:, 0]},
        reports={name: torch.as_tensor(values).to(rows) for name, values in reports.items()},
    )


def rows(k, d=3, seed=0):
    return torch.randn(k, d, generator=torch.Generator().manual_seed(seed)).double()


def apply(rule, updates):
    context = Context(1, updates.clients, torch.zeros(1, updates.delta.shape[1]), seed=0)
    return rule.apply(updates, {}, context)[0]


def by_variance(delta, variance, **settings):
    return apply(inverse_variance_mean(**settings), cohort(delta, gradient_variance=variance)).delta


@given(st.lists(positive, min_size=1, max_size=6), positive)
def test_inverse_variances_are_the_weights_in_any_unit(variance, unit):
    delta = rows(len(variance))
    precision = 1 / torch.tensor(variance).double()
    expected = (precision / precision.sum()) @ delta
    found = by_variance(delta, variance, cap=1e12)[0]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    scaled = [unit * v for v in variance]
    torch.testing.assert_close(by_variance(delta, scaled, cap=1e12)[0], expected)


@given(st.lists(positive, min_size=1, max_size=6), st.floats(-10, 10))
def test_all_rules_follow_a_shift_of_all_rows(numbers, shift):
    k = len(numbers)
    delta = rows(k)
    fleet = [Calibration(1 / (1 + n), 1 + n) for n in numbers]
    fisher = torch.tensor(numbers)[:, None].expand(k, 3)
    updates = cohort(delta, numbers, gradient_variance=numbers, fisher=fisher)
    for rule in (inverse_variance_mean(), fisher_mean(), calibrated_mean(fleet)):
        moved = apply(rule, replace(updates, delta=delta + shift)).delta
        torch.testing.assert_close(moved, apply(rule, updates).delta + shift, rtol=0, atol=1e-9)


@given(st.integers(1, 6), positive)
def test_clients_that_are_alike_get_the_mean(k, same):
    delta, weight = rows(k), [float(n) for n in range(1, k + 1)]
    updates = cohort(delta, weight, gradient_variance=[same] * k, fisher=torch.full((k, 3), same))
    plain, weighted = (apply(mean(w), updates).delta for w in (False, True))
    torch.testing.assert_close(apply(inverse_variance_mean(), updates).delta, plain)
    torch.testing.assert_close(apply(fisher_mean(), updates).delta, weighted)
    alike = [Calibration(0.5, 1 + same)] * k
    torch.testing.assert_close(apply(calibrated_mean(alike), updates).delta, weighted)


@pytest.mark.parametrize("claimed", [0.0, 1e-300])
def test_a_claim_of_no_variance_is_capped(claimed):
    delta = torch.tensor([[1.0], [0.0], [0.0]]).double()
    found = by_variance(delta, [claimed, 2.0, 2.0], cap=5.0)
    assert float(found) == pytest.approx(5 / (5 + 1 + 1))


@pytest.mark.parametrize("claimed", [math.nan, math.inf, -1.0])
def test_no_variance_counts_as_the_median_one(claimed):
    delta = torch.tensor([[1.0], [0.0], [0.0], [0.0]]).double()
    found = by_variance(delta, [claimed, 2.0, 1.0, 4.0])
    assert float(found) == pytest.approx((1 / 2) / (1 / 2 + 1 / 2 + 1 + 1 / 4))


@pytest.mark.parametrize("nothing", [math.nan, 0.0])
def test_without_any_variance_all_count_alike(nothing):
    delta = rows(4)
    torch.testing.assert_close(by_variance(delta, [nothing] * 4)[0], delta.mean(0))


def test_fisher_information_weighs_each_coordinate():
    fisher = torch.tensor([[1.0, 0.0, 0.0], [3.0, 2.0, 0.0]]).double()
    delta = torch.tensor([[4.0, 4.0, 4.0], [8.0, 8.0, 8.0]]).double()
    found = apply(fisher_mean(damping=1e-9), cohort(delta, [2.0, 1.0], fisher=fisher))
    expected = [(2 * 4 + 3 * 8) / 5, 8.0, (2 * 4 + 8) / 3]
    assert found.delta[0].tolist() == pytest.approx(expected, rel=1e-7)
    damped = apply(fisher_mean(damping=1e9), cohort(delta, [2.0, 1.0], fisher=fisher))
    assert damped.delta[0].tolist() == pytest.approx([16 / 3] * 3, rel=1e-7)


@pytest.mark.parametrize("claimed", [math.nan, math.inf, -1e-9, 1e308])
def test_an_unusable_fisher_report_is_refused(claimed):
    delta = 10 * (2 + rows(3).abs())
    fisher = torch.ones(3, 3).double()
    spoilt = fisher.clone()
    spoilt[1, 2] = claimed
    found = apply(fisher_mean(), cohort(delta, fisher=spoilt))
    assert found.refused.tolist() == [1]
    assert found.clients.tolist() == [0, 2]
    expected = apply(fisher_mean(), cohort(delta[::2], fisher=fisher[::2])).delta
    torch.testing.assert_close(found.delta, expected)


def test_rows_are_folded_as_they_come_and_reports_are_not_kept():
    k = 5
    updates = cohort(rows(k), [1.0, 2, 3, 4, 5], fisher=rows(k, seed=1).abs())
    fleet = [Calibration(0.1 + 0.1 * client, 9.0) for client in range(k)]
    context = Context(1, updates.clients, torch.zeros(1, 3), seed=0)
    for rule in (fisher_mean(), calibrated_mean(fleet), mean()):
        folding = rule.begin({}, context)
        for client in range(k):
            here = updates.clients == client
            folding.add(replace(updates.keep(here), refused=updates.refused))
        found, _ = folding.finish()
        torch.testing.assert_close(found.delta, apply(rule, updates).delta)
        torch.testing.assert_close(found.weight, updates.weight)
        assert found.reports == {}


def test_a_calibration_weighs_by_signal_and_noise():
    fleet = [Calibration(0.5, 100.0), Calibration(1.0, 10.0), Calibration()]
    weight = torch.tensor([2 * 0.5 / 1.3, 1 / 4, 3.0]).double()  # r = 30
    found = apply(calibrated_mean(fleet, shot_noise=30.0), cohort(rows(3), [2.0, 1.0, 3.0]))
    torch.testing.assert_close(found.delta[0], weight @ rows(3) / weight.sum())
    # no other weights have a better ratio of signal to noise
    attenuation = torch.tensor([0.5, 1.0, 1.0]).double()
    variance = (1 + 30 / torch.tensor([100, 10, math.inf])).double() / torch.tensor([2.0, 1, 3])

    def ratio(w):
        return float((w @ attenuation) ** 2 / (w**2 @ variance))

    assert all(ratio(weight * (1 + 0.1 * d)) < ratio(weight) for d in rows(50))


def test_clients_without_a_signal_are_named_before_training():
    with pytest.raises(InputError, match=r"leave nothing of what clients \[1\] learn"):
        calibrated_mean([Calibration(), Calibration(0.0)])
    with pytest.raises(InputError, match=r"clients \[0\]"):
        calibrated_mean([Calibration(1.0, 10.0), Calibration()], shot_noise=1e300)


def test_a_calibration_is_of_all_clients():
    context = Context(1, torch.arange(2), torch.zeros(1, 3), seed=0, population=5)
    with pytest.raises(InputError, match="must be of all clients, but it is of 4"):
        calibrated_mean([Calibration()] * 4).apply(cohort(rows(2)), {}, context)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: inverse_variance_mean(cap=0.5), "cap"),
        (lambda: fisher_mean(damping=0.0), "damping"),
        (lambda: calibrated_mean([], shot_noise=-1.0), "shot_noise"),
        (lambda: Calibration(attenuation=1.1), "attenuation"),
        (lambda: Calibration(shots=0.0), "shots"),
    ],
)
def test_settings_out_of_range_are_refused(make, name):
    with pytest.raises(InputError, match=f"`{name}` must"):
        make()
