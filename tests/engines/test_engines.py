"""The contract of every engine that runs in one process: the updates of ``sequential``."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fedqml.core.errors import InputError
from fedqml.core.random import shuffled
from fedqml.core.transform import Transform, chain
from fedqml.core.updates import Context
from fedqml.data.shares import Shares
from fedqml.engines import sequential, vectorised
from fedqml.federated.local import adam, sgd
from fedqml.federated.transforms import clip
from fedqml.quantum import devices
from tests.federations import hybrid, one_round, task, with_dropout


def unequal(sizes):
    def partition(labels, owners, rng):
        order = torch.from_numpy(shuffled(len(labels), rng))
        return Shares(tuple(order.split(sizes)))

    return partition


def updates(engine, objective, local, client=None, cohort=None, rounds=1):
    train = engine(objective, local, client or chain())
    cohort = torch.arange(len(objective.data.clients)) if cohort is None else cohort
    params, state = objective.first[None], {}
    for number in range(1, rounds + 1):
        context = Context(number, cohort, params, seed=3)
        result, state = one_round(train, context, state)
        params = params + result.delta.mean(0, keepdim=True)
    return result, state


def assert_equal(a, b, tolerance=1e-12):
    assert torch.equal(a[0].clients, b[0].clients)
    assert torch.equal(a[0].weight, b[0].weight)
    torch.testing.assert_close(a[0].delta, b[0].delta, rtol=tolerance, atol=tolerance)
    for name, values in a[0].metrics.items():
        torch.testing.assert_close(values, b[0].metrics[name], rtol=tolerance, atol=tolerance)
    assert a[1].keys() == b[1].keys()
    for name, value in a[1].items():
        torch.testing.assert_close(value, b[1][name], rtol=tolerance, atol=tolerance)


LOCALS = [
    sgd(lr=0.1, epochs=2, batch_size=4),
    sgd(lr=0.1, batch_size=3, momentum=0.9, keep_state=True),
    adam(lr=0.05, epochs=2, batch_size=4, weight_decay=0.01, keep_state=True),
]


@pytest.mark.parametrize("model", [hybrid, with_dropout])
@pytest.mark.parametrize("local", LOCALS)
@pytest.mark.parametrize("at_once", [1, 2, 64])
def test_vectorised_gives_the_updates_of_sequential(model, local, at_once):
    objective = task(model, partition=unequal([1, 2, 5, 12, 20]), rows=40).objective(0)
    slow = updates(sequential(), objective, local, rounds=2)
    fast = updates(vectorised(at_once), objective, local, rounds=2)
    assert_equal(slow, fast)
    assert (slow[0].delta.abs().max(1).values > 1e-6).all()  # everyone was trained


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    batch_size=st.integers(1, 10),
    at_once=st.integers(1, 7),
)
def test_any_sizes_give_equal_updates(sizes, batch_size, at_once):
    rows = sum(sizes) + 2  # the last client has a row of each class, as the data must
    partition = unequal([*sizes, 2])
    objective = task(with_dropout, partition=partition, rows=rows, seed=5).objective(1)
    local = adam(lr=0.1, epochs=2, batch_size=batch_size)
    assert_equal(
        updates(sequential(), objective, local), updates(vectorised(at_once), objective, local)
    )


@pytest.mark.parametrize(
    "device", [devices.parameter_shift(), devices.sampled(shots=100), devices.spsa()]
)
def test_estimated_gradients_are_drawn_alike(device):
    objective = task(partial(hybrid, device), partition=unequal([1, 7, 12]), rows=20).objective(0)
    local = sgd(lr=0.1, epochs=2, batch_size=4)
    slow, fast = (
        updates(engine, objective, local, rounds=2) for engine in (sequential(), vectorised(2))
    )
    assert_equal(slow, fast, 1e-10)
    assert (slow[0].delta.abs().max(1).values > 1e-4).all()


def test_float32_agrees_to_its_precision():
    objective = task(hybrid, dtype=torch.float32).objective(0)
    local = sgd(lr=0.1, epochs=2, batch_size=4)
    assert_equal(
        updates(sequential(), objective, local), updates(vectorised(), objective, local), 1e-5
    )


@pytest.mark.parametrize("engine", [sequential(), vectorised(2)])
def test_a_client_s_update_does_not_depend_on_who_else_takes_part(engine):
    objective = task(with_dropout).objective(0)
    local = sgd(lr=0.1, batch_size=4)
    all_of_them, _ = updates(engine, objective, local)
    some, _ = updates(engine, objective, local, cohort=torch.tensor([1, 4]))
    torch.testing.assert_close(some.delta, all_of_them.delta[[1, 4]], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("engine", [sequential(), vectorised(2)])
def test_updates_have_passed_the_client_s_side_before_they_leave(engine):
    def remembering():
        def apply(u, state, context):
            state = {"sum": state["sum"] + u.delta}
            return replace(u, delta=state["sum"]), state

        return Transform(lambda params: {"sum": torch.zeros_like(params)}, apply)

    objective = task(hybrid).objective(0)
    local = sgd(lr=0.5, batch_size=4)
    clipped, _ = updates(engine, objective, local, client=clip(1e-3))
    assert (clipped.delta.norm(dim=1) <= 1e-3 * (1 + 1e-12)).all()
    cohort = torch.tensor([2, 5])
    once, _ = updates(engine, objective, local, remembering(), cohort, rounds=1)
    twice, state = updates(engine, objective, local, remembering(), cohort, rounds=2)
    assert sorted(state) == ["2/client/sum", "5/client/sum"]
    # Round 2 by hand: what the clients trained from where round 1 left the model, and their sums.
    train = engine(objective, local, chain())
    params = objective.first[None] + once.delta.mean(0, keepdim=True)
    second, _ = one_round(train, Context(2, cohort, params, seed=3), {})
    torch.testing.assert_close(twice.delta, once.delta + second.delta)
    torch.testing.assert_close(state["5/client/sum"], twice.delta[1])


@pytest.mark.parametrize("engine", [sequential(), vectorised(2)])
def test_each_client_starts_from_what_it_received(engine):
    def anchored():
        inner = sgd(lr=0.1, batch_size=4)

        def step(params, gradient, state):
            return params - 0.1 * (gradient + 10.0 * (params - state["anchor"])), state

        return replace(inner, init=lambda params: {"anchor": params}, step=step)

    objective = task(hybrid).objective(0)
    params = torch.stack([objective.first + i for i in range(6)])  # as in gossip: a row a client
    cohort = torch.tensor([1, 4])
    local = anchored()
    train = engine(objective, local, chain())
    result, _ = one_round(train, Context(1, cohort, params, seed=3), {})
    for row, client in enumerate(cohort.tolist()):
        moved = replace(objective, first=params[client])
        context = Context(1, cohort[row : row + 1], params[client : client + 1], seed=3)
        alone, _ = one_round(sequential()(moved, local, chain()), context, {})
        torch.testing.assert_close(result.delta[row], alone.delta[0], rtol=1e-10, atol=1e-10)


def test_optimisers_are_forgotten_unless_they_are_kept():
    objective = task(hybrid).objective(0)
    _, forgotten = updates(vectorised(), objective, adam(), rounds=2)
    _, kept = updates(vectorised(), objective, adam(keep_state=True), rounds=2)
    assert forgotten == {}
    assert kept["0/local/t"] == 2 * -(-len(objective.data.clients[0]) // 32)


def test_one_client_is_central_training_as_pytorch_does_it():
    objective = task(hybrid, clients=1).objective(0)
    local = adam(lr=0.05, batch_size=16, keep_state=True)
    train = vectorised()(objective, local, chain())
    params, state = objective.first[None], {}
    model, optimiser = hybrid().double(), None
    model.load_state_dict(objective.packing.unpack(objective.first))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    x, y = objective.data.data.x, objective.data.data.y
    for number in range(1, 4):
        context = Context(number, torch.tensor([0]), params, seed=0)
        order = shuffled(len(y), context.rng("batches", 0))
        result, state = one_round(train, context, state)
        params = params + result.delta
        for batch in torch.from_numpy(objective.data.clients[0].numpy()[order]).split(16):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    expected = objective.packing.pack({n: p.detach() for n, p in model.named_parameters()})
    # Adam divides by the gradient's size: an angle without influence, whose gradient is rounding
    # noise of 1e-17, moves by 1e-9. All others agree to the last digits.
    torch.testing.assert_close(params[0], expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(params[0][:8], expected[:8], rtol=1e-12, atol=1e-12)


class OwnDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(3, 2)

    def forward(self, x):
        return nn.functional.dropout(self.dense(x), 0.5, self.training)


def test_a_model_that_draws_by_itself_is_refused_by_vectorised_and_repeats_in_sequential():
    objective = task(OwnDropout).objective(0)
    with pytest.raises(InputError, match="engine `sequential`"):
        vectorised()(objective, sgd(), chain())
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, _ = updates(sequential(), objective, sgd())
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    again, _ = updates(sequential(), objective, sgd())
    assert torch.equal(first.delta, again.delta)


def test_a_loss_that_branches_on_values_is_refused_before_training():
    branching = replace(
        task(hybrid).objective(0),
        loss=lambda outputs, y: outputs.sum(1) if float(outputs.sum()) > 0 else -outputs.sum(1),
    )
    with pytest.raises(InputError, match="engine `sequential`"):
        vectorised()(branching, sgd(), chain())


def test_at_once_must_be_positive():
    with pytest.raises(InputError, match="`at_once` must be at least 1"):
        vectorised(0)
