import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.transform import Transform, chain, stateless
from fedqml.core.updates import Context, Updates, concatenate
from fedqml.federated.aggregators import mean

CONTEXT = Context(1, torch.arange(2), torch.zeros(1, 2), seed=0)


def updates():
    delta = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    return Updates(
        torch.tensor([4, 2]), delta, torch.ones(2), {"train_loss": torch.tensor([5.0, 6])}
    )


def counter():
    def apply(u, state, context):
        state = {"n": state["n"] + 1}
        return replace(u, delta=u.delta + state["n"]), state

    return Transform(lambda params: {"n": torch.zeros(())}, apply)


def test_a_chain_applies_in_order_and_keeps_states_apart():
    double = stateless(lambda u, context: replace(u, delta=2 * u.delta))
    both = chain(counter(), double, counter())
    state = both.init(torch.zeros(2))
    once, state = both.apply(updates(), state, CONTEXT)
    assert torch.equal(once.delta, 2 * (updates().delta + 1) + 1)
    twice, state = both.apply(updates(), state, CONTEXT)
    assert torch.equal(twice.delta, 2 * (updates().delta + 2) + 2)
    assert {name: float(v) for name, v in state.items()} == {"0/n": 2, "2/n": 2}


def test_chains_nest():
    nested = chain(chain(counter(), counter()), counter())
    flat = chain(counter(), counter(), counter())
    a, _ = nested.apply(updates(), nested.init(torch.zeros(2)), CONTEXT)
    b, _ = flat.apply(updates(), flat.init(torch.zeros(2)), CONTEXT)
    assert torch.equal(a.delta, b.delta)


def test_the_empty_chain_is_the_identity():
    after, state = chain().apply(updates(), {}, CONTEXT)
    assert torch.equal(after.delta, updates().delta)
    assert state == {}


def test_rows_left_out_are_recorded_with_all_that_belongs_to_them():
    kept = updates().keep(torch.tensor([False, True]))
    assert kept.clients.tolist() == [2]
    assert kept.metrics["train_loss"].tolist() == [6]
    assert kept.refused.tolist() == [4]


def test_sorting_puts_rows_in_order_of_client():
    s = updates().sorted()
    assert s.clients.tolist() == [2, 4]
    assert s.delta.tolist() == [[3, 4], [1, 2]]
    assert s.metrics["train_loss"].tolist() == [6, 5]


def test_concatenation_keeps_everything():
    part = updates().keep(torch.tensor([True, False]))
    whole = concatenate([part, updates()])
    assert whole.clients.tolist() == [4, 4, 2]
    assert whole.refused.tolist() == [2]
    assert whole.metrics["train_loss"].tolist() == [5, 5, 6]


def test_a_context_gives_each_purpose_and_client_its_own_stream():
    draws = {
        CONTEXT.rng("noise").random(),
        CONTEXT.rng("noise", 1).random(),
        CONTEXT.rng("mask", 1).random(),
        replace(CONTEXT, round=2).rng("noise").random(),
    }
    assert len(draws) == 4


def test_two_rules_of_one_name_in_a_chain_draw_apart():
    def noise():
        return stateless(
            lambda u, c: replace(u, delta=u.delta + torch.from_numpy(c.rng("n").random(2)))
        )

    once, _ = noise().apply(updates(), {}, CONTEXT)
    twice, _ = chain(noise(), noise()).apply(updates(), {}, CONTEXT)
    first, second = chain(noise()), chain(chain(), noise())
    a, b = (t.apply(updates(), {}, CONTEXT)[0].delta for t in (first, second))
    assert torch.equal(a, once.delta)
    assert not torch.equal(a, b)
    assert not torch.equal(twice.delta - updates().delta, 2 * (once.delta - updates().delta))


def parts_of(cohort):
    return [
        Updates(
            cohort.clients[i : i + 1],
            cohort.delta[i : i + 1],
            cohort.weight[i : i + 1],
            {name: values[i : i + 1] for name, values in cohort.metrics.items()},
        )
        for i in range(len(cohort.clients))
    ]


def folded(transform, parts, state, memory):
    """Fold parts that all come in the same memory, as an engine may hand them on."""
    folding = transform.begin(state, CONTEXT)
    for part in parts:
        memory.copy_(part.delta)
        folding.add(replace(part, delta=memory))
    memory.fill_(torch.nan)
    return folding.finish()


@pytest.mark.parametrize(
    "server",
    [mean(), mean(weighted=False), chain(mean(), counter()), counter(), chain(counter(), mean())],
)
def test_parts_in_memory_that_is_used_again_give_what_a_stack_gives(server):
    whole = replace(updates().sorted(), weight=torch.tensor([3.0, 1.0]))
    state = server.init(torch.zeros(2))
    expected, after = server.apply(whole, state, CONTEXT)
    found, state = folded(server, parts_of(whole), state, torch.zeros(1, 2))
    torch.testing.assert_close(found.delta, expected.delta, rtol=1e-7, atol=0)
    assert torch.equal(found.clients, expected.clients)
    assert torch.equal(found.metrics["train_loss"], expected.metrics["train_loss"])
    assert state == after


def test_folding_refuses_rows_that_are_not_finite_and_says_whose():
    whole = updates().sorted()
    whole.delta[0, 1] = torch.inf
    found, _ = folded(mean(), parts_of(whole), {}, torch.zeros(1, 2))
    assert found.refused.tolist() == [2]
    assert torch.equal(found.delta, whole.delta[1:])
    whole.delta[1, 0] = torch.nan
    with pytest.raises(InputError, match="In round 1 every update was refused, for NaN"):
        folded(mean(), parts_of(whole), {}, torch.zeros(1, 2))


def test_nothing_of_the_rows_is_kept_while_a_mean_is_folded():
    folding = mean().begin({}, CONTEXT)
    for client in range(3):
        memory = np.ones((1, 1000), dtype=np.float32)
        kept = weakref.ref(memory)
        rows = torch.from_numpy(memory)
        folding.add(Updates(torch.tensor([client]), rows, torch.ones(1), {}))
        del memory, rows
        assert kept() is None
    assert folding.finish()[0].delta.shape == (1, 1000)


def test_rows_whose_sum_overflows_are_finite():
    whole = replace(updates().sorted(), delta=torch.full((2, 2), 3e38))
    mean_of_both, _ = folded(mean(), parts_of(whole), {}, torch.zeros(1, 2))
    assert mean_of_both.refused.tolist() == []
    assert torch.equal(mean_of_both.delta, whole.delta[:1])
