"""The contract of every aggregator: new files in the folder are tested as they come."""

import hashlib
import importlib
import pkgutil
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fedqml.federated.aggregators as package
from fedqml.core.angles import Angles
from fedqml.core.errors import InputError
from fedqml.core.transform import chain, stateless
from fedqml.core.updates import Context, Updates, concatenate
from fedqml.federated.aggregators import mean
from fedqml.federated.calibration import Calibration

RULES = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for m in pkgutil.iter_modules(package.__path__)
]
each_rule = pytest.mark.parametrize("factory", RULES)
SETTINGS = {
    "bulyan": {"f": 0},
    "calibrated_mean": {"calibration": [Calibration(1 / (1 + c), 10.0 + c) for c in range(9)]},
    "centred_clipping": {"radius": 1.0, "iterations": 20},
    "fltrust": {"root": 0},
    "krum": {"f": 0},
    "multi_krum": {"f": 0},
    "trimmed_mean": {"f": 0},
}


def angles(d):
    """Return what makes all but the last of d weights angles, and the first three a rotation."""
    entries, three = torch.arange(max(d - 1, 1)), torch.arange(3)[None]
    periods = torch.full((len(entries),), 2 * torch.pi, dtype=torch.float64)
    return Angles(d, entries, periods, three[: int(d > 3)])


# What experiments supply: a function of the number of weights.
SUPPLIED = {"circular_mean": {"angles": angles}, "su2_mean": {"angles": angles}}


def make(factory, d, **changes):
    supplied = {name: made(d) for name, made in SUPPLIED.get(factory.__name__, {}).items()}
    return factory(**SETTINGS.get(factory.__name__, {}) | supplied | changes)


def cohort(delta, weight=None, clients=None):
    k = len(delta)
    return Updates(
        torch.arange(k) if clients is None else clients,
        delta,
        torch.ones(k, dtype=delta.dtype) if weight is None else weight,
        {"train_loss": torch.zeros(k, dtype=delta.dtype), "steps": torch.ones_like(delta[:, 0])},
        reports={
            "gradient_variance": torch.arange(1.0, k + 1).to(delta),
            "fisher": 1 + delta.nan_to_num(0, 0, 0) ** 2,
        },
    )


def aggregate(transform, updates):
    params = torch.zeros(1, updates.delta.shape[1]).double()
    context = Context(1, updates.clients, params, seed=0, population=len(updates.clients))
    state = transform.init(context.params[0])
    return transform.apply(updates, state, context)[0]


def rows(k, d, seed):
    return torch.randn(k, d, generator=torch.Generator().manual_seed(seed)).double()


@each_rule
@given(k=st.integers(3, 7), d=st.integers(1, 5), seed=st.integers(0, 99), data=st.data())
def test_the_order_of_arrival_does_not_matter_to_a_bit(factory, k, d, seed, data):
    order = torch.tensor(data.draw(st.permutations(range(k))))
    updates = cohort(rows(k, d, seed), torch.arange(1.0, k + 1).double())
    arrived = Updates(
        updates.clients[order],
        updates.delta[order],
        updates.weight[order],
        {name: values[order] for name, values in updates.metrics.items()},
        reports={name: values[order] for name, values in updates.reports.items()},
    )
    rule = make(factory, d)
    a, b = aggregate(rule, updates), aggregate(rule, arrived)
    assert a.delta.shape == (1, d)
    assert torch.equal(a.delta, b.delta)


@each_rule
def test_equal_rows_are_a_fixed_point(factory):
    row = rows(1, 4, 0)
    result = aggregate(make(factory, 4), cohort(row.expand(6, -1)))
    torch.testing.assert_close(result.delta, row, rtol=1e-14, atol=1e-14)


@each_rule
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_rows_that_are_not_finite_are_refused_and_named(factory, bad):
    good = rows(4, 3, 1)
    with_bad = torch.cat([good, good[:1]])
    with_bad[4, 1] = bad
    result = aggregate(make(factory, 3), cohort(with_bad))
    assert result.refused.tolist() == [4]
    assert torch.equal(result.delta, aggregate(make(factory, 3), cohort(good)).delta)


@each_rule
@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0, 0.0])
def test_a_client_cannot_spoil_the_rule_by_its_weight(factory, weight):
    good = rows(4, 3, 1)
    weights = torch.tensor([1.0, 2.0, 1.0, weight]).double()
    result = aggregate(make(factory, 3), cohort(good, weights))
    assert result.refused.tolist() == [3]
    expected = aggregate(make(factory, 3), cohort(good[:3], weights[:3]))
    assert torch.equal(result.delta, expected.delta)


@each_rule
def test_it_needs_a_row_for_each_client(factory):
    once = aggregate(make(factory, 2), cohort(rows(3, 2, 0)))
    with pytest.raises(InputError, match="a row for each of the 3 clients, but there are 1"):
        aggregate(make(factory, 2), once)


@each_rule
def test_nothing_but_bad_rows_is_an_error(factory):
    with pytest.raises(InputError, match="In round 1 every update was refused"):
        aggregate(make(factory, 2), cohort(torch.full((2, 2), float("nan")).double()))


@given(st.integers(1, 6), st.integers(0, 99))
def test_the_mean_is_the_weighted_mean(k, seed):
    delta = rows(k, 3, seed)
    weight = torch.arange(1.0, k + 1).double()
    expected = sum(w * row for w, row in zip(weight, delta, strict=True)) / weight.sum()
    torch.testing.assert_close(aggregate(mean(), cohort(delta, weight)).delta[0], expected)
    plain = aggregate(mean(weighted=False), cohort(delta, weight)).delta[0]
    torch.testing.assert_close(plain, delta.mean(0))


def test_an_aggregator_leaves_what_belongs_to_the_clients():
    updates = replace(cohort(rows(3, 2, 0)), metrics={"train_loss": torch.arange(3.0)})
    after = aggregate(mean(), updates)
    assert after.clients.tolist() == [0, 1, 2]
    assert after.metrics["train_loss"].tolist() == [0, 1, 2]


@each_rule
def test_a_thousand_orders_of_arrival_give_the_same_bits(factory, monkeypatch):
    quick = {"iterations": 1} if factory.__name__ == "centred_clipping" else {}
    rule, hashes, rng = make(factory, 3, **quick), set(), np.random.default_rng(0)
    updates = cohort(rows(7, 3, 5).float(), torch.arange(1.0, 8))
    sent = [updates.keep(updates.clients == client) for client in updates.clients]
    context = Context(1, updates.clients, torch.zeros(1, 3), seed=0, population=7)
    state = rule.init(context.params[0])
    # Checks of shapes take several times as long as the rules.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for _ in range(1000):
        arrived = concatenate([sent[i] for i in rng.permutation(7)])
        arrived = replace(arrived, refused=updates.refused)
        result = rule.apply(arrived, state, context)[0].delta
        hashes.add(hashlib.sha256(result.numpy().tobytes()).hexdigest())
    assert len(hashes) == 1


@each_rule
def test_refused_rows_take_no_memory_as_they_come_one_by_one(factory):
    delta = rows(9, 4, seed=3)
    delta[5, 1] = torch.nan
    updates, params = cohort(delta), torch.zeros(1, 4).double()
    context = Context(1, updates.clients, params, seed=0, population=9)
    rule, given = make(factory, 4), []

    def spied(updates, state, context):
        given.append(updates.delta)
        return rule.apply(updates, state, context)

    folding = chain(replace(rule, apply=spied), stateless(lambda u, c: u)).begin(
        {f"0/{name}": value for name, value in rule.init(params[0]).items()}, context
    )
    for client in range(9):
        alone = updates.keep(updates.clients == client)
        folding.add(replace(alone, refused=updates.refused))
    after, _ = folding.finish()
    whole = aggregate(rule, updates)
    torch.testing.assert_close(after.delta, whole.delta, rtol=1e-12, atol=1e-14)
    assert 5 in after.refused.tolist()
    assert all(bool(each.isfinite().all()) for each in given)
