"""The mean of each weight over those that train it."""

import torch

from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregators import mean, partial_mean

DELTA = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
WEIGHT = torch.arange(1.0, 6).double()


def aggregate(rule, delta=DELTA, left_out=None):
    left = {client: torch.tensor(entries) for client, entries in (left_out or {}).items()}
    clients = torch.arange(len(delta))
    context = Context(1, clients, torch.zeros(1, 4).double(), seed=0, left_out=left)
    return rule.apply(Updates(clients, delta, WEIGHT, {}), {}, context)[0]


def test_clients_count_for_what_they_train_alone():
    found = aggregate(partial_mean(), left_out={0: [1], 3: [1, 3]}).delta[0]
    for j, who in enumerate(([0, 1, 2, 3, 4], [1, 2, 4], [0, 1, 2, 3, 4], [0, 1, 2, 4])):
        expected = WEIGHT[who] @ DELTA[who, j] / WEIGHT[who].sum()
        torch.testing.assert_close(found[j], expected)


def test_what_nobody_trains_stays():
    nobody = {client: [2] for client in range(5)}
    assert aggregate(partial_mean(), left_out=nobody).delta[0, 2] == 0


def test_where_all_train_all_it_is_the_mean_to_the_bit():
    assert torch.equal(aggregate(partial_mean()).delta, aggregate(mean()).delta)
    elsewhere = aggregate(partial_mean(), left_out={7: [0]})
    assert torch.equal(elsewhere.delta, aggregate(mean()).delta)


def test_what_a_client_sends_for_a_weight_that_it_does_not_train_is_ignored():
    other = DELTA.clone()
    other[3, 1] = 1e30
    one, two = (aggregate(partial_mean(), rows, {3: [1]}) for rows in (DELTA, other))
    assert torch.equal(one.delta, two.delta)


def test_a_refused_client_trains_nothing():
    spoilt = DELTA.clone()
    spoilt[1, 0] = torch.nan
    found = aggregate(partial_mean(), spoilt, {0: [2], 2: [2], 3: [2], 4: [2]})
    assert found.refused.tolist() == [1]
    assert found.delta[0, 2] == 0
