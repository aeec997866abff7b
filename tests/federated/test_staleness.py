"""FedBuff and FedAsync against their formulas, on made-up updates."""

import importlib
import pkgutil

import pytest
import torch

import fedqml.federated.decays as package
from fedqml.core.errors import InputError
from fedqml.core.transform import chain
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregators import coordinate_median, mean
from fedqml.federated.decays import hinge, polynomial
from fedqml.federated.optimisers import momentum
from fedqml.federated.preaggregators import bucketing, fedasync, staleness_scaling

SETTINGS = {"hinge": {"slope": 0.5, "free": 2.0}}
DECAYS = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for m in pkgutil.iter_modules(package.__path__)
]
AGES = torch.tensor([0.0, 1.0, 8.0], dtype=torch.float64)
ROWS = torch.tensor([[1.0, -2.0], [3.0, 0.5], [-6.0, 9.0]], dtype=torch.float64)
NOW = torch.tensor([[10.0, 20.0]], dtype=torch.float64)
BEGUN = {4: torch.tensor([9.0, 18.0]).double(), 7: torch.tensor([2.0, 3.0]).double()}


def step(rule, rows=ROWS, ages=AGES, clients=(2, 4, 7)):
    clients = torch.tensor(clients[: len(rows)])
    metrics = {"train_loss": torch.zeros(len(rows)).double(), "staleness": ages[: len(rows)]}
    updates = Updates(clients, rows, torch.arange(1.0, 1 + len(rows)).double(), metrics)
    context = Context(9, clients, NOW, seed=0, begun=BEGUN)
    return rule.apply(updates, rule.init(NOW[0]), context)[0]


@pytest.mark.parametrize("factory", DECAYS)
def test_a_fresh_update_counts_in_full_and_none_for_more_than_a_fresher_one(factory):
    factor = factory(**SETTINGS.get(factory.__name__, {}))(torch.arange(20.0))
    assert factor[0] == 1
    assert (factor.diff() <= 0).all()
    assert (factor > 0).all()


def test_fedbuff_is_the_mean_of_scaled_updates_times_the_server_s_rate():
    rule = chain(
        staleness_scaling(polynomial(0.5)), mean(weighted=False), momentum(lr=0.3, beta=0.0)
    )
    expected = 0.3 / 3 * (ROWS[0] + ROWS[1] / 2**0.5 + ROWS[2] / 3)
    torch.testing.assert_close(step(rule).delta[0], expected)


@pytest.mark.parametrize(
    ("decay", "factors"),
    [
        (None, [1.0, 1.0, 1.0]),
        (polynomial(1.0), [1.0, 1 / 2, 1 / 9]),
        (hinge(slope=2.0, free=4.0), [1.0, 1.0, 1 / 9]),
    ],
)
def test_fedasync_mixes_the_model_with_a_client_s(decay, factors):
    for i, client in enumerate((2, 4, 7)):
        left = step(
            chain(fedasync(0.6, decay), mean()), ROWS[i : i + 1], AGES[i : i + 1], (client,)
        )
        share = 0.6 * factors[i]
        new = BEGUN.get(client, NOW[0]) + ROWS[i]
        torch.testing.assert_close(NOW[0] + left.delta[0], (1 - share) * NOW[0] + share * new)


def test_fedasync_of_a_fresh_update_scales_it():
    rows = step(fedasync(0.25), ROWS[:1], AGES[:1]).delta
    assert torch.equal(rows, 0.25 * ROWS[:1])


def test_scaled_updates_can_go_to_any_aggregator():
    rule = chain(staleness_scaling(polynomial(1.0)), coordinate_median())
    assert step(rule).delta.tolist() == [[1.0, 0.25]]  # of 1, 3/2, -6/9 and -2, 1/4, 1


@pytest.mark.parametrize("rule", [fedasync(), staleness_scaling(polynomial())])
def test_without_a_clock_nobody_knows_the_staleness(rule):
    updates = Updates(torch.arange(1), torch.ones(1, 2), torch.ones(1), {})
    context = Context(1, updates.clients, torch.zeros(1, 2), seed=0)
    with pytest.raises(InputError, match="needs a section `clock`"):
        rule.apply(updates, {}, context)


def test_fedasync_needs_the_clients_own_rows():
    with pytest.raises(InputError, match="before the rules that mix rows"):
        step(chain(mean(), fedasync()))
    with pytest.raises(InputError, match="`alpha` must be in"):
        fedasync(alpha=0.0)


def test_buckets_of_scaled_updates_keep_their_mean():
    rule = chain(staleness_scaling(polynomial()), bucketing(1), mean(weighted=False))
    plain = chain(staleness_scaling(polynomial()), mean(weighted=False))
    torch.testing.assert_close(step(rule).delta, step(plain).delta)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: polynomial(-1.0), "`power` must be finite and at least 0"),
        (lambda: hinge(-1.0, 0.0), "`slope` must be finite and at least 0"),
        (lambda: hinge(1.0, float("inf")), "`free` must be finite and at least 0"),
    ],
)
def test_a_decay_out_of_range_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
