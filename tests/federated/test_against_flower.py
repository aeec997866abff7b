"""Robust rules against Flower's strategies, called on the same updates of 1,000 cohorts."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregators import (
    bulyan,
    coordinate_median,
    krum,
    mean,
    multi_krum,
    trimmed_mean,
)
from fedqml.federated.aggregators.bulyan import mean_around_median

flwr = pytest.importorskip("flwr.serverapp.strategy", exc_type=ImportError)
COHORTS, WEIGHTS = 1000, 5


@pytest.fixture(autouse=True)
def quick(caplog, monkeypatch):
    caplog.set_level("ERROR", "flwr")
    # Flower collects garbage after each array, which takes seconds in a large process; and reading
    # the header of an array takes it longer than all the arithmetic.
    monkeypatch.setattr("gc.collect", lambda: 0)
    monkeypatch.setattr("flwr.app.Array.numpy", without_header)


def without_header(array):
    kind, size = np.dtype(array.dtype), int(np.prod(array.shape))
    return np.frombuffer(bytearray(array.data[-size * kind.itemsize :]), kind).reshape(array.shape)


def replies(rows, weight):
    """Return what strategies read of the clients' messages."""
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict

    contents = [
        RecordDict(
            {
                "arrays": ArrayRecord({"w": Array(row.numpy())}),
                "metrics": MetricRecord({"num-examples": int(examples)}),
            }
        )
        for row, examples in zip(rows, weight, strict=True)
    ]
    return [SimpleNamespace(content=content, has_error=lambda: False) for content in contents]


def theirs(strategy, messages):
    return torch.from_numpy(strategy.aggregate_train(1, messages)[0]["w"].numpy())


def ours(rule, rows, weight):
    clients = torch.arange(len(rows))
    context = Context(1, clients, torch.zeros_like(rows[:1]), seed=0)
    updates = Updates(clients, rows, weight.to(rows), {})
    return rule.apply(updates, {}, context)[0].delta[0]


def cohorts(count, width, fewest):
    """Yield rows, numbers of examples and f of cohorts, up to f of whose rows are far away."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        f = int(rng.integers(1, 3))
        rows = torch.from_numpy(rng.standard_normal((fewest(f) + int(rng.integers(1, 4)), width)))
        rows[: rng.integers(f + 1)] += 100.0
        yield rows, torch.from_numpy(rng.integers(1, 99, len(rows))), f


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("rule", "strategy"),
    [
        (lambda f: mean(), lambda f, k: flwr.FedAvg()),
        (lambda f: coordinate_median(), lambda f, k: flwr.FedMedian()),
        # a fraction of the rows, which Flower rounds down
        (trimmed_mean, lambda f, k: flwr.FedTrimmedAvg(beta=(f + 0.5) / k)),
    ],
)
def test_rules_of_single_coordinates_give_what_flowers_strategies_give(rule, strategy):
    # A cohort's columns know nothing of each other: a hundred cohorts beside each other are one.
    for rows, weight, f in cohorts(COHORTS // 100, 100 * WEIGHTS, lambda f: 2 * f + 1):
        found = theirs(strategy(f, len(rows)), replies(rows, weight))
        close(ours(rule(f), rows, weight), found)


def test_rules_of_whole_rows_give_what_flowers_strategies_give():
    rules = {f: (krum(f), multi_krum(f)) for f in (1, 2)}
    found, expected = [], []
    for rows, weight, f in cohorts(COHORTS, WEIGHTS, lambda f: 2 * f + 3):
        messages, m = replies(rows, torch.ones_like(weight)), len(rows) - f
        strategies = (
            flwr.Krum(num_malicious_nodes=f),
            flwr.MultiKrum(num_malicious_nodes=f, num_nodes_to_select=m),
        )
        for rule, strategy in zip(rules[f], strategies, strict=True):
            found.append(ours(rule, rows, weight))
            expected.append(theirs(strategy, messages))
    close(torch.stack(found), torch.stack(expected))


def test_bulyan_differs_in_its_selection_only():
    # Flower takes the best rows of a single scoring; the paper selects one, and scores the rest
    # anew. Given Flower's rows, the second step is the same.
    from flwr.serverapp.strategy.multikrum import select_multikrum

    for rows, weight, f in cohorts(20, WEIGHTS, lambda f: 4 * f + 3):
        messages, theta = replies(rows, weight), len(rows) - 2 * f
        chosen = select_multikrum([message.content for message in messages], f, theta)
        selected = torch.stack([torch.from_numpy(c["arrays"]["w"].numpy()) for c in chosen])
        second = mean_around_median(selected, list(range(theta)), 2 * f)[0]
        close(second, theirs(flwr.Bulyan(num_malicious_nodes=f), messages))


def test_flower_lets_a_client_say_how_much_it_counts_among_those_that_krum_selects():
    rows = torch.tensor([[0.0], [1.0], [2.0], [3.0], [9e9]]).double()
    weight = torch.tensor([1, 98, 1, 1, 1])
    strategy = flwr.MultiKrum(num_malicious_nodes=1, num_nodes_to_select=4)
    assert float(theirs(strategy, replies(rows, weight))) == pytest.approx((98 + 2 + 3) / 101)
    assert float(ours(multi_krum(1), rows, weight)) == 1.5


def test_flowers_krum_loses_rows_that_are_close_and_far_from_zero():
    # ||x||^2 + ||y||^2 - 2 <x, y> in float32 has no digit left of the distances.
    rng, equal = np.random.default_rng(0), torch.ones(11)
    rows = torch.from_numpy(1e4 + rng.standard_normal((11, 4))).float()
    exact = ours(krum(2), rows.double() - 1e4, equal) + 1e4
    assert torch.equal(ours(krum(2), rows, equal).double(), exact)
    found = theirs(flwr.Krum(num_malicious_nodes=2), replies(rows, equal))
    assert not torch.equal(found.double(), exact)


def test_flower_lets_a_single_nan_through():
    rows, weight = torch.randn(7, 2).double(), torch.ones(7)
    rows[3] = torch.nan
    for rule, strategy in ((mean(), flwr.FedAvg()), (coordinate_median(), flwr.FedMedian())):
        assert theirs(strategy, replies(rows, weight)).isnan().all()
        assert ours(rule, rows, weight).isfinite().all()
    assert ours(bulyan(1), rows, weight).isfinite().all()
