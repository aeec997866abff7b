"""Clients that train more or less than others in a round."""

from dataclasses import replace

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy, chain
from fedqml.core.updates import Context
from fedqml.data.shares import Shares
from fedqml.engines import in_place, sequential, vectorised
from fedqml.federated.aggregators import fednova
from fedqml.federated.budget import Budget
from fedqml.federated.local import adam, sgd
from tests.engines.test_local_rules import trained
from tests.federations import AVERAGING, one_round, task, with_dropout

ENGINES = [sequential(), vectorised(), vectorised(2), in_place()]
BUDGETS = {0: Budget(epochs=1), 2: Budget(batches=3), 3: Budget(epochs=4, batches=6)}
SIZES = [4, 9, 7, 6, 14]


def problem():
    ends = torch.tensor(SIZES).cumsum(0)[:-1]
    partition = lambda y, owners, rng: Shares(torch.arange(40).tensor_split(ends))  # noqa: E731
    return task(with_dropout, partition=partition)


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree_and_tell_the_steps_taken(engine):
    local = replace(adam(lr=0.05, epochs=2, batch_size=4), budgets=BUDGETS)
    objective = problem().objective(0)
    context = Context(1, torch.arange(5), objective.first[None], seed=3)
    slow, _ = one_round(sequential()(objective, local, chain()), context, {})
    fast, _ = one_round(engine(objective, local, chain()), context, {})
    torch.testing.assert_close(slow.delta, fast.delta, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(slow.metrics["train_loss"], fast.metrics["train_loss"])
    assert fast.metrics["steps"].tolist() == [1, 6, 3, 6, 8]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_budget_of_epochs_is_a_rule_of_so_many(engine):
    objective = problem().objective(0)
    context = Context(1, torch.arange(5), objective.first[None], seed=3)

    def deltas(local):
        return one_round(engine(objective, local, chain()), context, {})[0].delta

    mixed = deltas(replace(sgd(lr=0.1, epochs=2, batch_size=4), budgets={1: Budget(epochs=3)}))
    for epochs, clients in ((3, [1]), (2, [0, 2, 3, 4])):
        plain = deltas(sgd(lr=0.1, epochs=epochs, batch_size=4))
        torch.testing.assert_close(mixed[clients], plain[clients], rtol=1e-10, atol=1e-12)


def test_a_budget_of_batches_leaves_out_the_first_ones():
    local = replace(sgd(epochs=2, batch_size=4), budgets={0: Budget(batches=4)})
    context = Context(1, torch.arange(1), torch.zeros(1, 1), seed=0)
    whole, cut = (
        rule.plans([0], [torch.arange(10)], context.rngs("batches", [0]))
        for rule in (replace(local, budgets={}), local)
    )
    assert cut.mask.sum(-1).tolist() == [[[0, 0, 2], [4, 4, 2]]]
    assert torch.equal(cut.rows, whole.rows)
    assert torch.equal(cut.key, whole.key)


@pytest.mark.parametrize("rows", [1, 4, 5, 12])
@pytest.mark.parametrize("batches", [None, 1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("epochs", [None, 1, 3])
def test_the_samples_counted_are_those_trained_on(rows, batches, epochs):
    budget = Budget(epochs, batches)
    local = replace(sgd(epochs=2, batch_size=4), budgets={0: budget})
    context = Context(1, torch.arange(1), torch.zeros(1, 1), seed=0)
    plan = local.plans([0], [torch.arange(rows)], context.rngs("batches", [0]))
    assert int(plan.mask.sum()) == budget.samples(rows, 4, 2)


def test_costs_follow_the_budgets():
    local = replace(sgd(epochs=2, batch_size=4), budgets=BUDGETS)
    progress = trained(problem(), local, Strategy(fednova()), 1)
    assert progress.rows[1]["samples"] == 4 + 18 + 10 + 18 + 28


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"batches": 0}])
def test_a_budget_is_at_least_one(bad):
    with pytest.raises(InputError, match=f"`{next(iter(bad))}` must be"):
        Budget(**bad)


def test_budgets_of_clients_that_are_not_there():
    local = replace(sgd(), budgets={7: Budget(epochs=1)})
    with pytest.raises(InputError, match="`budgets` must name clients from 0 to 4"):
        trained(problem(), local, AVERAGING, 1)
