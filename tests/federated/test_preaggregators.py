"""Pre-aggregators: what an aggregator behind them may rely on, and known answers."""

import importlib
import pkgutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fedqml.federated.preaggregators as package
from fedqml.core.errors import InputError
from fedqml.core.transform import chain
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregators import calibrated_mean, coordinate_median, mean, partial_mean
from fedqml.federated.calibration import Calibration
from fedqml.federated.collusions import alie
from fedqml.federated.decays import polynomial
from fedqml.federated.preaggregators import bucketing, fedasync, nearest_neighbour_mixing

SETTINGS = {
    "bucketing": {"size": 2},
    "fedasync": {"alpha": 1.0},
    "nearest_neighbour_mixing": {"f": 1},
    "staleness_scaling": {"decay": polynomial()},
}
RULES = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for m in pkgutil.iter_modules(package.__path__)
]
each_rule = pytest.mark.parametrize("factory", RULES)


def cohort(delta, clients=None, weight=None):
    clients = torch.arange(len(delta)) if clients is None else clients
    weight = clients + 1.0 if weight is None else weight
    metrics = {"train_loss": clients.to(delta), "staleness": torch.zeros(len(clients)).to(delta)}
    return Updates(clients, delta, weight.to(delta), metrics)


def apply(rule, updates):
    context = Context(1, updates.clients, torch.zeros(1, updates.delta.shape[1]), seed=0)
    state = rule.init(context.params[0])
    return rule.apply(updates, state, context)[0]


def rows(k, d):
    return torch.randn(k, d, generator=torch.Generator().manual_seed(0)).double()


@each_rule
def test_a_row_is_left_for_each_client_that_is_named(factory):
    after = apply(factory(**SETTINGS[factory.__name__]), cohort(rows(7, 3)))
    k = len(after.clients)
    assert after.delta.shape == (k, 3)
    assert after.weight.shape == after.metrics["train_loss"].shape == (k,)
    assert (after.clients[1:] > after.clients[:-1]).all()


@each_rule
def test_order_of_arrival_does_not_matter(factory):
    rule, order = factory(**SETTINGS[factory.__name__]), torch.tensor([4, 0, 6, 1, 5, 3, 2])
    x = rows(7, 3)
    assert torch.equal(apply(rule, cohort(x)).delta, apply(rule, cohort(x[order], order)).delta)


@each_rule
def test_rows_that_are_not_finite_are_refused_first(factory):
    x = rows(7, 3)
    x[2, 1] = torch.inf
    after = apply(chain(factory(**SETTINGS[factory.__name__]), coordinate_median()), cohort(x))
    assert after.refused.tolist() == [2]
    assert after.delta.isfinite().all()


@each_rule
def test_equal_rows_stay(factory):
    x = rows(1, 3).expand(6, -1)
    after = apply(factory(**SETTINGS[factory.__name__]), cohort(x))
    torch.testing.assert_close(after.delta, x[: len(after.delta)])


@each_rule
@given(by=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_a_shift_and_a_scale_of_all_rows_are_one_of_the_result(factory, by, scale):
    rule, x = factory(**SETTINGS[factory.__name__]), rows(7, 3)
    changed = scale * apply(rule, cohort(x)).delta + by
    found = apply(rule, cohort(scale * x + by)).delta
    torch.testing.assert_close(found, changed, rtol=1e-7, atol=1e-7)


@given(order=st.permutations(range(7)))
def test_mixed_rows_change_places_as_the_rows_do(order):
    rule, x = nearest_neighbour_mixing(f=2), rows(7, 3)
    mixed = apply(rule, cohort(x)).delta
    torch.testing.assert_close(apply(rule, cohort(x[order])).delta, mixed[order])


def test_buckets_keep_the_mean_the_weight_and_the_loss():
    updates = cohort(rows(6, 3))
    after = apply(bucketing(size=2), updates)
    torch.testing.assert_close(after.delta.mean(0), updates.delta.mean(0))
    assert after.weight.sum() == updates.weight.sum()
    loss = [(u.weight * u.metrics["train_loss"]).sum() for u in (updates, after)]
    torch.testing.assert_close(*loss)


def test_buckets_are_drawn_anew_each_round_and_the_last_may_be_smaller():
    rule, updates = bucketing(size=2), cohort(rows(7, 3))
    found = []
    for number in (1, 2, 3):
        context = Context(number, updates.clients, torch.zeros(1, 3), seed=0)
        found.append(rule.apply(updates, {}, context)[0].delta)
    assert all(len(rows) == 4 for rows in found)
    assert not torch.equal(found[0], found[1]) or not torch.equal(found[1], found[2])


def test_mixing_agrees_with_a_published_example():
    # ByzFL's documentation.
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    mixed = apply(nearest_neighbour_mixing(f=1), cohort(x)).delta
    expected = torch.tensor([[2.5, 3.5, 4.5], [2.5, 3.5, 4.5], [5.5, 6.5, 7.5]])
    torch.testing.assert_close(mixed, expected)


def test_mixing_takes_a_far_row_to_the_others():
    x = rows(5, 3)
    x[2] = 1e30
    mixed = apply(chain(nearest_neighbour_mixing(f=1), coordinate_median()), cohort(x)).delta
    assert mixed.abs().max() < 10


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"`f` must satisfy 2f \+ 1 <= k = 4"):
        apply(nearest_neighbour_mixing(f=2), cohort(rows(4, 2)))
    with pytest.raises(InputError, match="`size` must be at least 1"):
        bucketing(0)
    with pytest.raises(InputError, match="`f` must be at least 0"):
        nearest_neighbour_mixing(-1)
    single = apply(chain(bucketing(5), mean(weighted=False)), cohort(rows(5, 2)))
    torch.testing.assert_close(single.delta[0], rows(5, 2).mean(0))


@pytest.mark.parametrize("first", [bucketing(1), bucketing(2), nearest_neighbour_mixing(0)])
@pytest.mark.parametrize(
    "behind",
    [fedasync(alpha=1.0), partial_mean(), calibrated_mean([Calibration()] * 4), alie([3])],
)
def test_rules_that_look_rows_up_by_client_refuse_mixed_ones(first, behind):
    with pytest.raises(InputError, match="must come before rules that mix rows"):
        apply(chain(first, behind), cohort(rows(4, 2)))
    assert len(apply(chain(behind), cohort(rows(4, 2))).delta) in (1, 4)
