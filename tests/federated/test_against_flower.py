"""Robust rules against Flower's strategies, called on the same updates."""

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
K, COHORTS = 11, 20


def replies(rows):
    """Yield what strategies read of a client's message."""
    from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict

    for row in rows:
        arrays = ArrayRecord({"w": Array(row.numpy())})
        content = RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})})
        yield SimpleNamespace(content=content, has_error=lambda: False)


def theirs(strategy, rows):
    return torch.from_numpy(strategy.aggregate_train(1, list(replies(rows)))[0]["w"].numpy())


def ours(rule, rows):
    clients = torch.arange(len(rows))
    context = Context(1, clients, torch.zeros_like(rows[:1]), seed=0)
    updates = Updates(clients, rows, torch.ones(len(rows)).to(rows), {})
    return rule.apply(updates, {}, context)[0].delta[0]


def cohorts():
    for seed in range(COHORTS):
        rng = np.random.default_rng(seed)
        rows = torch.from_numpy(rng.standard_normal((K, 7)))
        rows[: seed % 3] += 100.0
        yield rows


@pytest.mark.parametrize(
    ("rule", "strategy"),
    [
        (mean(), lambda: flwr.FedAvg()),
        (coordinate_median(), lambda: flwr.FedMedian()),
        # a fraction of the rows, which Flower rounds down
        (trimmed_mean(2), lambda: flwr.FedTrimmedAvg(beta=2.5 / K)),
        (krum(2), lambda: flwr.Krum(num_malicious_nodes=2)),
        (multi_krum(2, m=5), lambda: flwr.MultiKrum(num_malicious_nodes=2, num_nodes_to_select=5)),
    ],
)
def test_a_rule_gives_what_flowers_strategy_gives(rule, strategy):
    for rows in cohorts():
        torch.testing.assert_close(ours(rule, rows), theirs(strategy(), rows), rtol=0, atol=1e-6)


def test_bulyan_differs_in_its_selection_only(monkeypatch):
    # Flower takes the best rows of a single scoring; the paper selects one, and scores the rest
    # anew. Given Flower's rows, the second step is the same.
    from flwr.serverapp.strategy.multikrum import select_multikrum

    # Flower collects garbage after each array, which takes seconds in a large process.
    monkeypatch.setattr("gc.collect", lambda: 0)
    for rows in cohorts():
        chosen = select_multikrum([reply.content for reply in replies(rows)], 2, K - 4)
        selected = torch.stack([torch.from_numpy(c["arrays"]["w"].numpy()) for c in chosen])
        second = mean_around_median(selected, list(range(K - 4)), 4)[0]
        expected = theirs(flwr.Bulyan(num_malicious_nodes=2), rows)
        torch.testing.assert_close(second, expected, rtol=0, atol=1e-6)
    assert ours(bulyan(2), rows).isfinite().all()
