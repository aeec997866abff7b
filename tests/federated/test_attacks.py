"""Attacks: what all of them leave alone, and known answers."""

import importlib
import pkgutil

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.updates import Context, Updates
from fedqml.federated import attacks, collusions
from fedqml.federated.attacks import constant, free_rider, gaussian, model_replacement, sign_flip
from fedqml.federated.collusions import alie, ipm, mimic

FACTORIES = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for package in (attacks, collusions)
    for m in pkgutil.iter_modules(package.__path__)
]
COLLUSIONS = [f for f in FACTORIES if "collusions" in f.__module__]
X = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.float64)


def attacked(transform, honest, attackers=1, order=None, state=None):
    """Apply an attack by the last clients to honest rows and rows of zeros."""
    rows = torch.cat([honest, torch.zeros(attackers, honest.shape[1]).to(honest)])
    clients = torch.arange(len(rows))
    context = Context(1, clients, torch.zeros(1, honest.shape[1]).to(honest), seed=0)
    if state is None:
        first = transform.init(context.params[0])
        state = {name: torch.stack([value] * len(rows)) for name, value in first.items()}
    order = clients if order is None else order
    updates = Updates(clients[order], rows[order], torch.ones(len(rows)).to(rows), {})
    return transform.apply(updates, state, context)[0].delta


@pytest.mark.parametrize("factory", FACTORIES)
def test_honest_rows_stay_and_attackers_send_something_else(factory):
    sent = attacked(factory(attackers=[3, 4]), X, attackers=2)
    assert torch.equal(sent[:3], X)
    assert sent.shape == (5, 3)
    nobody = attacked(factory(attackers=[]), X)
    assert torch.equal(nobody[:3], X)
    assert not nobody[3:].any()


@pytest.mark.parametrize("factory", FACTORIES)
def test_attackers_out_of_range_are_refused(factory):
    with pytest.raises(InputError, match="`attackers` must be"):
        factory(attackers=1.5)


@pytest.mark.parametrize("factory", FACTORIES)
def test_attackers_whom_the_federation_does_not_have_are_refused(factory):
    updates = Updates(torch.arange(3), X, torch.ones(3).double(), {})
    context = Context(1, updates.clients, torch.zeros(1, 3).double(), seed=0, population=4)
    transform = factory(attackers=[0, 4])
    state = {"received": torch.zeros(3, 3).double()}
    with pytest.raises(
        InputError, match=r"`attackers` must name clients from 0 to 3, but .*\[0, 4"
    ):
        transform.apply(updates, state, context)


@pytest.mark.parametrize("factory", COLLUSIONS)
def test_the_order_of_arrival_does_not_matter(factory):
    order = torch.tensor([2, 3, 0, 1])
    sent = attacked(factory([3]), X)
    assert torch.equal(attacked(factory([3]), X, order=order), sent)
    broken = torch.cat([X, torch.full((1, 3), torch.nan).double()])
    assert torch.equal(attacked(factory([4]), broken)[4], sent[3])


@pytest.mark.parametrize("factory", COLLUSIONS)
def test_those_who_hide_need_honest_clients(factory):
    with pytest.raises(InputError, match="In round 1 the 3 attackers have no honest"):
        attacked(factory([0, 1, 2]), X[:2])


@pytest.mark.parametrize(
    ("rule", "expected"),
    # ByzFL's documentation.
    [(ipm([3], scale=2.0), [-8.0, -10, -12]), (alie([3], z=1.5), [8.5, 9.5, 10.5])],
)
def test_published_examples(rule, expected):
    torch.testing.assert_close(attacked(rule, X)[3], torch.tensor(expected).double())


def test_signs_flip():
    sent = attacked(sign_flip([1], scale=2.0), X)
    assert torch.equal(sent[1], -2 * X[1])


def test_a_replaced_model_is_the_attackers_mean():
    # Of 5 clients the three honest ones cancel out.
    honest = torch.tensor([[1.0, -2], [2, 1], [-3, 1]]).double()
    rows = torch.cat([honest, torch.tensor([[4.0, 1], [2, 3]]).double()])
    clients = torch.arange(5)
    context = Context(1, clients, torch.zeros(1, 2), seed=0)
    sent = model_replacement([3, 4]).apply(Updates(clients, rows, torch.ones(5), {}), {}, context)[
        0
    ]
    torch.testing.assert_close(sent.delta.mean(0), rows[3:].mean(0))
    assert torch.equal(attacked(model_replacement([1], scale=3.0), X)[1], 3 * X[1])


def test_alie_takes_the_papers_z():
    # n = 50, m = 24: s = 2 of 26 must lie beyond, Phi(z) = 24 / 26.
    honest = torch.randn(26, 2, generator=torch.Generator().manual_seed(0)).double()
    sent = attacked(alie(list(range(26, 50))), honest, attackers=24)[30]
    z = (sent - honest.mean(0)) / honest.std(0)
    torch.testing.assert_close(z, torch.full((2,), 1.4260768722728).double())


def test_mimics_copy_and_constants_are_constant():
    assert torch.equal(attacked(mimic([3]), X)[3], X[0])
    assert attacked(constant([3]), X)[3].isnan().all()
    assert attacked(constant([3], value="inf"), X)[3].isinf().all()
    assert (attacked(constant([3], value=1e38), X.float())[3] == 1e38).all()


def test_noise_is_each_attackers_own_and_of_the_given_size():
    sent = attacked(gaussian([1, 2], std=3.0), torch.zeros(1, 4000), attackers=2)
    assert 2.9 < sent[1].std() < 3.1
    assert not torch.equal(sent[1], sent[2])


def test_a_free_rider_sends_what_the_others_did():
    rule = free_rider([0])
    state = {"received": torch.zeros(1, 2)}
    for number, weights in ((1, 0.0), (2, 5.0), (3, 7.0)):
        params = torch.full((1, 2), weights)
        updates = Updates(torch.arange(1), torch.ones(1, 2), torch.ones(1), {})
        context = Context(number, torch.arange(1), params, seed=0)
        before = state["received"]
        after, state = rule.apply(updates, state, context)
        assert torch.equal(after.delta, params - before)
