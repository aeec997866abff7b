"""The server's optimisers: what all of them owe, and each against its formula."""

import importlib
import pkgutil

import pytest
import torch

import fedqml.federated.optimisers as package
from fedqml.core.errors import InputError
from fedqml.core.updates import Context, Updates
from fedqml.federated.optimisers import adagrad, adam, momentum, yogi

RULES = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for m in pkgutil.iter_modules(package.__path__)
]
each_rule = pytest.mark.parametrize("factory", RULES)
DELTAS = torch.tensor([[1.0, -0.2], [0.5, 0.1], [-2.0, 0.0]], dtype=torch.float64)


def steps(rule, deltas=DELTAS):
    context = Context(1, torch.arange(3), torch.zeros_like(deltas[:1]), seed=0)
    state, made = rule.init(context.params[0]), []
    for delta in deltas:
        # An aggregator leaves its clients beside its one row.
        updates = Updates(torch.arange(3), delta[None], torch.ones(3), {})
        updates, state = rule.apply(updates, state, context)
        made.append(updates.delta[0])
    return torch.stack(made)


@each_rule
def test_no_update_is_no_step(factory):
    assert not steps(factory(), torch.zeros(2, 3)).any()


@each_rule
def test_it_needs_an_aggregator_before_it(factory):
    updates = Updates(torch.arange(3), DELTAS, torch.ones(3), {})
    rule = factory()
    context = Context(1, updates.clients, torch.zeros(1, 2), seed=0)
    with pytest.raises(InputError, match="one row that an aggregator leaves, but there are 3"):
        rule.apply(updates, rule.init(DELTAS[0]), context)


@each_rule
def test_values_out_of_range_are_refused(factory):
    with pytest.raises(InputError, match="`lr` must be positive"):
        factory(lr=0.0)


def test_momentum_is_that_of_sgd():
    p = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    sgd = torch.optim.SGD([p], lr=0.3, momentum=0.8)
    for delta in DELTAS:
        p.grad = -delta
        sgd.step()
    torch.testing.assert_close(steps(momentum(lr=0.3, beta=0.8)).sum(0), p.detach())


MOMENTS = {
    adam: lambda v, s: 0.95 * v + 0.05 * s,
    yogi: lambda v, s: v - 0.05 * s * torch.sign(v - s),
    adagrad: lambda v, s: v + s,
}


@pytest.mark.parametrize("factory", MOMENTS)
def test_an_adaptive_step_is_algorithm_2(factory):
    m, v = torch.zeros(2).double(), torch.full((2,), 0.01).double()
    expected = []
    for delta in DELTAS:
        m = 0.8 * m + 0.2 * delta
        v = MOMENTS[factory](v, delta**2)
        expected.append(0.5 * m / (v**0.5 + 0.1))
    beta2 = {} if factory is adagrad else {"beta2": 0.95}
    rule = factory(lr=0.5, beta1=0.8, tau=0.1, **beta2)
    torch.testing.assert_close(steps(rule), torch.stack(expected))
