"""The contract of every rule of local training, and the two optimisers against PyTorch's."""

import importlib
import pkgutil
from inspect import signature

import pytest
import torch

import fedqml.federated.local as package
from fedqml.core.batches import BatchPlan
from fedqml.core.errors import InputError
from fedqml.core.packing import Packing
from fedqml.federated.local import adam, sgd
from fedqml.federated.training import Received

FACTORIES = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for m in pkgutil.iter_modules(package.__path__)
]
# Settings of rules that need some.
SETTINGS = {
    "personal_layers": {"layers": ["b"]},
    "quantum_natural_gradient": {"metric": lambda params, rows, mask: torch.ones_like(params)},
}


def around(factory, optimiser):
    """Return a rule that is built around an optimiser as a function of the optimiser's settings."""

    def made(keep_state=False, **values):
        inner = optimiser(keep_state=keep_state, **values)
        return factory(inner, **SETTINGS.get(factory.__name__, {}))

    made.__name__ = f"{factory.__name__}-{optimiser.__name__}"
    return made


RULES = [
    rule
    for f in FACTORIES
    for rule in (
        [around(f, sgd), around(f, adam)] if "optimiser" in signature(f).parameters else [f]
    )
]
X = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(8, 3)
Y = X @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


def loss(params, index, mask, key):
    errors = (X[index] @ params - Y[index]) ** 2
    return (errors * mask).sum() / mask.sum().clamp(min=1)


def plan(epochs=2, steps=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(8, (epochs, steps, 2), generator=generator)
    return index, torch.ones_like(index, dtype=torch.bool), torch.zeros(epochs, steps).long()


def received(params):
    sent = {"control": torch.zeros_like(params)}
    return Received(params, sent, Packing((("a", (2,)), ("b", (1,)))))


def start(rule, params):
    return rule.start(received(params), {})


def run(rule, params, plan, state=None):
    if state is None:
        params, state = start(rule, params)
    return rule.run(loss, params, state, BatchPlan(*plan))


START = torch.tensor([0.3, 0.1, -0.2], dtype=torch.float64)


@pytest.mark.parametrize("factory", RULES)
def test_learning_rate_zero_changes_nothing(factory):
    rule = factory(lr=0.0)
    params, state, _ = run(rule, START, plan())
    answer, _ = rule.finish(received(START), params, state, torch.tensor(6.0))
    assert torch.equal(answer, START)


@pytest.mark.parametrize("factory", RULES)
def test_it_is_mapped_over_clients_by_vmap(factory):
    rule = factory(lr=0.1)
    plans = [plan(seed=i) for i in range(3)]
    starts = torch.stack([START, 2 * START, -START])
    begun = [start(rule, own) for own in starts]
    states = {n: torch.stack([state[n] for _, state in begun]) for n in begun[0][1]}
    weights = torch.stack([params for params, _ in begun])
    stacked = tuple(torch.stack(parts) for parts in zip(*plans, strict=True))
    together = torch.func.vmap(lambda p, s, b: run(rule, p, b, state=s))(weights, states, stacked)
    for i in range(3):
        alone = run(rule, starts[i], plans[i])
        torch.testing.assert_close(together[0][i], alone[0], rtol=1e-12, atol=1e-12)
        assert together[1].keys() == alone[1].keys()
        torch.testing.assert_close(together[2][i], alone[2], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("factory", RULES)
def test_empty_steps_change_nothing_not_even_the_state(factory):
    rule = factory(lr=0.1)
    advance = rule.advance(loss, ragged=True)
    index, mask, key = (field[0] for field in plan(epochs=1, steps=3))
    before = run(rule, START, plan(epochs=1, steps=2))[:2]
    *after, _, size = advance(*before, index[2], torch.zeros_like(mask[2]), key[2])
    assert size == 0
    assert torch.equal(after[0], before[0])
    assert all(torch.equal(after[1][n], before[1][n]) for n in before[1])
    *after, _, _ = advance(*before, index[2], mask[2], key[2])
    whole = run(rule, START, plan(epochs=1, steps=3))
    assert torch.equal(after[0], whole[0])
    assert all(torch.equal(after[1][n], whole[1][n]) for n in before[1])


@pytest.mark.parametrize("factory", RULES)
def test_the_state_continues_where_it_stopped(factory):
    rule = factory(lr=0.1, keep_state=True)
    index, mask, key = plan(epochs=1, steps=4)
    whole = run(rule, START, (index, mask, key))
    half = run(rule, START, (index[:, :2], mask[:, :2], key[:, :2]))
    rest = run(rule, half[0], (index[:, 2:], mask[:, 2:], key[:, 2:]), state=half[1])
    assert torch.equal(whole[0], rest[0])


@pytest.mark.parametrize("factory", RULES)
@pytest.mark.parametrize(
    "bad", [{"lr": -1.0}, {"epochs": 0}, {"batch_size": 0}, {"weight_decay": -0.1}]
)
def test_values_out_of_range_are_refused(factory, bad):
    with pytest.raises(InputError, match=f"`{next(iter(bad))}` must"):
        factory(**bad)


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        (sgd(lr=0.05), lambda p: torch.optim.SGD(p, lr=0.05)),
        (
            sgd(lr=0.05, momentum=0.9, weight_decay=0.1),
            lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1),
        ),
        (adam(lr=0.05), lambda p: torch.optim.Adam(p, lr=0.05)),
        (
            adam(lr=0.05, beta1=0.7, beta2=0.9, eps=1e-3, weight_decay=0.1),
            lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1),
        ),
    ],
)
def test_the_steps_are_pytorch_s(rule, make):
    index, mask, key = plan(epochs=3, steps=5)
    params, _, reported = run(rule, START, (index, mask, key))
    theirs = START.clone().requires_grad_()
    optimiser = make([theirs])
    last = []
    for epoch in range(3):
        for step in range(5):
            optimiser.zero_grad()
            value = loss(theirs, index[epoch, step], mask[epoch, step], key[epoch, step])
            value.backward()
            optimiser.step()
            if epoch == 2:
                last.append(value.item())
    torch.testing.assert_close(params, theirs.detach(), rtol=1e-12, atol=1e-14)
    assert reported.item() == pytest.approx(sum(last) / len(last), rel=1e-12)


@pytest.mark.parametrize(
    ("factory", "bad"),
    [
        (sgd, {"momentum": 1.0}),
        (adam, {"beta1": 1.0}),
        (adam, {"beta2": -0.1}),
        (adam, {"eps": 0.0}),
    ],
)
def test_moments_out_of_range_are_refused(factory, bad):
    with pytest.raises(InputError, match=f"`{next(iter(bad))}` must"):
        factory(**bad)
