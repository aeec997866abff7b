"""The engine for large models: the updates of ``sequential``, without its memory."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fedqml.core.errors import InputError
from fedqml.core.transform import chain
from fedqml.core.updates import Context
from fedqml.engines import in_place, sequential
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam, sgd
from fedqml.federated.transforms import clip
from tests.engines.test_engines import LOCALS, assert_equal, unequal, updates
from tests.federations import hybrid, one_round, task, with_dropout


def wide():
    """Return layers large enough for a step within the backward pass, and ones that are not."""
    return nn.Sequential(
        nn.Linear(3, 160),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(160, 160),
        nn.ReLU(),
        nn.Linear(160, 160),
        hybrid_end(),
    )


def hybrid_end():
    return nn.Sequential(nn.Tanh(), nn.Linear(160, 3), hybrid())


@pytest.mark.parametrize("model", [hybrid, with_dropout, wide])
@pytest.mark.parametrize("local", [*LOCALS, sgd(lr=0.1, epochs=2, batch_size=4, weight_decay=0.05)])
def test_it_gives_the_updates_of_sequential(model, local):
    objective = task(model, partition=unequal([1, 2, 5, 12]), rows=20).objective(0)
    slow = updates(sequential(), objective, local, client=clip(3.0), rounds=2)
    fast = updates(in_place(), objective, local, client=clip(3.0), rounds=2)
    assert_equal(slow, fast, 1e-9)
    assert (slow[0].delta.abs().max(1).values > 1e-6).all()


def test_the_mean_of_rows_that_share_memory_is_that_of_a_stack():
    objective = task(wide).objective(0)
    local, cohort = adam(lr=0.01, batch_size=4), torch.arange(6)
    context = Context(1, cohort, objective.first[None], seed=3)
    folding = mean().begin({}, context)
    in_place()(objective, local, chain())(context, cohort.tolist(), {}, folding.add)
    folded, _ = folding.finish()
    stack, _ = one_round(sequential()(objective, local, chain()), context, {})
    whole, _ = mean().apply(stack, {}, context)
    torch.testing.assert_close(folded.delta, whole.delta, rtol=1e-9, atol=1e-12)
    assert torch.equal(folded.clients, whole.clients)


class Tied(nn.Module):
    """Uses a large weight in two layers, or in a layer and bare."""

    def __init__(self, bare):
        super().__init__()
        self.first = nn.Linear(3, 160)
        self.weight = nn.Parameter(torch.randn(160, 160) / 13)
        self.last = nn.Linear(160, 2)
        self.bare = bare

    def forward(self, x):
        x = functional.linear(torch.relu(self.first(x)), self.weight)
        x = x @ self.weight if self.bare else functional.linear(torch.relu(x), self.weight)
        return self.last(x)


@pytest.mark.parametrize("bare", [False, True])
def test_a_weight_used_twice_is_refused_before_training(bare):
    objective = task(lambda: Tied(bare)).objective(0)
    sequential()(objective, adam(), chain())
    with pytest.raises(InputError, match="uses its weight `weight` twice"):
        in_place()(objective, adam(), chain())


class Unused(nn.Module):
    """Has weights that the loss does not depend on, and a matrix that no dense layer uses."""

    def __init__(self):
        super().__init__()
        self.spare, self.called = nn.Linear(130, 130), nn.Linear(3, 6000)
        self.matrix = nn.Parameter(torch.randn(3, 6000) / 60)
        self.last = nn.Linear(6000, 2)

    def forward(self, x):
        self.called(x)  # and not used
        return self.last(x @ self.matrix)


def test_weights_without_a_gradient_and_other_operations_are_trained_as_by_sequential():
    objective = task(Unused).objective(0)
    local = adam(lr=0.01, batch_size=4, weight_decay=0.1)
    assert_equal(
        updates(sequential(), objective, local), updates(in_place(), objective, local), 1e-9
    )


def test_a_rule_without_a_step_in_place_is_refused():
    with pytest.raises(InputError, match="`in_place` needs a local rule with a step in place"):
        in_place()(task(hybrid).objective(0), replace(sgd(), in_place=None), chain())


def test_rows_are_handed_on_in_the_same_memory():
    objective = task(wide).objective(0)
    places = []
    train = in_place()(objective, sgd(batch_size=4), chain())
    context = Context(1, torch.arange(4), objective.first[None], seed=0)
    train(context, [0, 1, 2, 3], {}, lambda part: places.append(part.delta.data_ptr()))
    assert len(places) == 4
    assert len(set(places)) == 1


def test_a_rule_that_does_not_begin_with_zeros_is_refused():
    rule = replace(sgd(momentum=0.9), init=lambda params: {"momentum": torch.ones_like(params)})
    with pytest.raises(InputError, match="whose first state is zeros"):
        in_place()(task(hybrid).objective(0), rule, chain())
