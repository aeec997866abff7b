"""The loop: what a round does, what a run stands on, and that every state is saved."""

from dataclasses import replace

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy, Transform, chain, stateless
from fedqml.data.shares import Shares
from fedqml.engines import in_place, sequential, vectorised
from fedqml.experiments.assembly import federation
from fedqml.experiments.rounds import advance, begin, proceed
from fedqml.experiments.run import run_in
from fedqml.experiments.store import Store
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam, sgd
from fedqml.federated.transforms import clip
from tests.engines.test_in_place import wide
from tests.experiments.watching import Stop, silent
from tests.federations import AVERAGING, hybrid, task, with_dropout


@pytest.mark.parametrize("model", [hybrid, with_dropout])
@pytest.mark.parametrize("local", [sgd(lr=0.1, momentum=0.5), adam(lr=0.02, keep_state=True)])
def test_engines_train_the_same_model(model, local):
    ends = []
    for engine in (sequential(), vectorised(2)):
        ready = federation(task(model), local, AVERAGING, engine, 5, 3, seed=0, code="")
        *_, last = proceed(ready, begin(ready))
        ends.append(last)
    torch.testing.assert_close(ends[0].params, ends[1].params, rtol=1e-9, atol=1e-8)
    assert [row["clients"] for row in ends[0].rows] == [row["clients"] for row in ends[1].rows]


def _counting():
    """A rule with a state that shows in every update: it adds what it has seen so far."""

    def apply(updates, state, context):
        seen = state["seen"] + updates.delta
        return replace(updates, delta=updates.delta + 0.1 * seen), {"seen": seen}

    return Transform(lambda params: {"seen": torch.zeros_like(params)}, apply)


def _stateful(stop=None, folder=None):
    """Run six rounds with state everywhere: optimiser, client's side, server's side."""
    strategy = Strategy(server=chain(mean(), _counting()), client=chain(_counting(), clip(1.0)))
    local = adam(lr=0.02, batch_size=4, keep_state=True)
    ready = federation(task(with_dropout), local, strategy, vectorised(2), 6, 3, 0, code="")
    if folder is None:
        *_, last = proceed(ready, begin(ready))
        return last.digest()
    labels = {"name": "n", "title": "t", "arm": {"label": "a", "central": False}}
    return run_in(Store(folder), ready, labels, {}, 2, stop).summary["hash"]


@pytest.mark.parametrize("round", range(1, 7))
def test_every_state_is_in_the_checkpoint(tmp_path, round):
    with pytest.raises(KeyboardInterrupt):
        _stateful(Stop(round), tmp_path)
    assert _stateful(silent, tmp_path) == _stateful()


@pytest.mark.parametrize("clients", [1, 3])
@pytest.mark.parametrize("keep_state", [True, False])
def test_large_layers_that_step_in_place_go_on_to_the_same_bits(tmp_path, clients, keep_state):
    local = adam(lr=0.01, batch_size=4, keep_state=keep_state)
    strategy = Strategy(server=mean())
    few = task(wide, rows=15, clients=3)  # with seed 3, one of them trains before and after
    ready = federation(few, local, strategy, in_place(), 4, clients, 3, code="")
    *_, last = proceed(ready, begin(ready))
    labels = {"name": "n", "title": "t", "arm": {"label": "a", "central": False}}
    with pytest.raises(KeyboardInterrupt):
        run_in(Store(tmp_path), ready, labels, {}, 10, Stop(2))
    outcome = run_in(Store(tmp_path), ready, labels, {}, 10, silent)
    assert (outcome.resumed, outcome.summary["hash"]) == (2, last.digest())


def test_the_server_s_state_goes_on_from_round_to_round():
    def count(updates, state, context):
        n = state["n"] + 1
        return replace(updates, delta=updates.delta + n), {"n": n}

    counting = Transform(lambda params: {"n": torch.zeros((), dtype=params.dtype)}, count)
    strategy = Strategy(server=chain(mean(), counting))
    ready = federation(task(), sgd(lr=0.0), strategy, vectorised(), 3, 3, 0, code="")
    *_, last = proceed(ready, begin(ready))
    torch.testing.assert_close(last.params[0], ready.objective.first + 1 + 2 + 3)


def test_states_matter():
    ready = federation(
        task(with_dropout), adam(lr=0.02, batch_size=4), AVERAGING, vectorised(2), 6, 3, 0, code=""
    )
    *_, last = proceed(ready, begin(ready))
    assert last.digest() != _stateful()


def test_three_rounds_of_federated_averaging_by_hand():
    def unequal(labels, owners, rng):
        return Shares(tuple(torch.arange(40).split([3, 7, 10, 20])))

    problem = task(hybrid, partition=unequal)
    ready = federation(problem, sgd(lr=0.5, batch_size=100), AVERAGING, vectorised(), 3, 2, 0, "")
    model, objective = hybrid().double(), ready.objective
    weights = objective.packing.unpack(objective.first)
    x, y = objective.data.data.x, objective.data.data.y
    *_, last = proceed(ready, begin(ready))
    for row in last.rows[1:]:
        total, losses = {name: torch.zeros_like(w) for name, w in weights.items()}, 0.0
        rows = [objective.data.clients[c] for c in row["clients"]]
        examples = sum(len(r) for r in rows)
        for own in rows:
            model.load_state_dict(weights)
            model.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[own]), y[own])
            loss.backward()
            losses += len(own) / examples * loss.item()
            for name, parameter in model.named_parameters():
                step = parameter.detach() - 0.5 * parameter.grad
                total[name] = total[name] + len(own) / examples * step
        weights = total
        assert row["train_loss"] == pytest.approx(losses, rel=1e-10)
    torch.testing.assert_close(last.params[0], objective.packing.pack(weights))
    assert len({tuple(row["clients"]) for row in last.rows[1:]}) > 1


def test_the_digest_covers_weights_and_history_but_not_timings():
    ready = federation(task(), sgd(), AVERAGING, vectorised(), 1, 3, 0, code="")
    start = begin(ready)
    slower = replace(start, rows=({**start.rows[0], "seconds": 9.0},))
    other = replace(start, rows=({**start.rows[0], "test_loss": 9.0},))
    moved = replace(start, params=start.params + 1e-9)
    assert slower.digest() == start.digest()
    assert len({start.digest(), other.digest(), moved.digest()}) == 3


def test_the_signature_covers_all_that_a_run_stands_on():
    def signature(model=hybrid, seed=0, cohort=3, code="", **data):
        problem = task(model, **data)
        return federation(
            problem, sgd(), AVERAGING, vectorised(), 1, cohort, seed, code
        ).signature()

    def frozen(scale):
        def model():
            module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 2))
            module[0].requires_grad_(False)
            module[0].weight.fill_(scale)
            return module

        return model

    found = [
        signature(),
        signature(with_dropout),
        signature(seed=1),
        signature(cohort=2),
        signature(code="x"),
        signature(clients=5),
        signature(frozen(1.0)),
        signature(frozen(2.0)),
    ]
    assert len(set(found)) == len(found)
    assert signature() == found[0]


def test_clients_whose_updates_are_not_finite_are_in_the_history():
    def poison(updates, context):
        bad = (updates.clients == context.cohort[0])[:, None]
        return replace(updates, delta=updates.delta.masked_fill(bad, float("nan")))

    strategy = Strategy(server=chain(stateless(poison), mean()))
    ready = federation(task(), sgd(), strategy, vectorised(), 2, 3, 0, code="")
    *_, last = proceed(ready, begin(ready))
    for row in last.rows[1:]:
        assert row["refused"] == row["clients"][:1]


def test_equal_seeds_give_equal_bits_and_other_seeds_other_ones():
    def end(seed):
        ready = federation(task(), sgd(), AVERAGING, vectorised(), 2, 3, seed, code="")
        *_, last = proceed(ready, begin(ready))
        return last.digest()

    assert end(0) == end(0)
    assert end(0) != end(1)


def test_divergence_is_an_error_that_says_so():
    ready = federation(
        task(with_dropout), sgd(lr=1e300), AVERAGING, vectorised(), 9, 3, seed=0, code=""
    )
    with pytest.raises(InputError, match="training has diverged"):
        list(proceed(ready, begin(ready)))
    overflow = Strategy(server=stateless(lambda u, c: mean().apply(_huge(u), {}, c)[0]))
    ready = federation(task(), sgd(), overflow, vectorised(), 9, 3, seed=0, code="")
    progress = advance(ready, begin(ready))
    with pytest.raises(InputError, match="global weights became NaN"):
        advance(ready, progress)


def _huge(updates):
    return replace(updates, delta=torch.full_like(updates.delta, 1.7e308))
