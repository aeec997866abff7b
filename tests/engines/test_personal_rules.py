"""Rules that leave something at home: closed forms, what is sent, what is measured."""

import math

import pytest
import torch
from torch import nn

from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy
from fedqml.data.dataset import Data
from fedqml.data.losses import cross_entropy
from fedqml.data.partitions import shards
from fedqml.data.shares import Shares
from fedqml.data.task import Task
from fedqml.engines import in_place, sequential, vectorised
from fedqml.experiments.assembly import federation
from fedqml.experiments.personal import class_weights
from fedqml.experiments.rounds import advance, begin
from fedqml.experiments.store import Store
from fedqml.federated import aggregators
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam, ditto, fedprox, personal_layers, scaffold, sgd
from tests.engines.test_local_rules import LR, K, quadratic, trained
from tests.federations import task, with_dropout

AVERAGE = Strategy(server=mean(weighted=False))
ENGINES = [sequential(), vectorised(), vectorised(1), in_place()]
UNLIKE = (1.0, 0.0, 1), (4.0, 1.0, 1)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Parameter(torch.tensor([3.0]))
        self.head = nn.Parameter(torch.tensor([2.0]))

    def forward(self, x):
        curvature, centre = x.unbind(-1)
        both = torch.stack([self.body - centre, self.head - centre], -1)
        return curvature.sqrt()[:, None] * both


def pairs(*clients):
    split = quadratic(*clients).data
    half_square = lambda outputs, y: (outputs**2).sum(-1) / 2  # noqa: E731
    return Task(Pair, half_square, split, metrics={}, dtype=torch.float64)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_personal_layer_goes_its_own_way_and_is_never_sent(engine):
    rounds = 3
    rule = personal_layers(sgd(lr=LR, epochs=K), ["he*"])
    progress = trained(pairs(*UNLIKE), rule, AVERAGE, rounds, engine)
    plain = trained(quadratic(*UNLIKE), sgd(lr=LR, epochs=K), AVERAGE, rounds)
    assert progress.params[0].tolist() == pytest.approx([float(plain.params), 2.0], rel=1e-13)
    assert progress.params[0, 1] == 2.0  # to the bit
    for client, (a, b, _) in enumerate(UNLIKE):
        own = b + (1 - LR * a) ** (K * rounds) * (2.0 - b)
        assert progress.clients[f"{client}/local/personal"].tolist() == pytest.approx([own])


@pytest.mark.parametrize("engine", [sequential(), vectorised(), vectorised(1)])
def test_ditto_s_own_model_is_held_by_the_global_one_which_is_as_without(engine):
    strength, rounds = 0.5, 3
    local = sgd(lr=LR, epochs=K)
    problem = quadratic(*UNLIKE)
    progress = trained(problem, ditto(local, strength), AVERAGE, rounds, engine)
    received = [float(trained(problem, local, AVERAGE, n).params) if n else 3.0 for n in range(4)]
    assert float(progress.params) == pytest.approx(received[3], rel=1e-14)
    for client, (a, b, _) in enumerate(UNLIKE):
        own = 3.0
        for w in received[:rounds]:
            held = (a * b + strength * w) / (a + strength)
            own = held + (1 - LR * (a + strength)) ** K * (own - held)
        assert float(progress.clients[f"{client}/local/personal"]) == pytest.approx(own, rel=1e-13)


def test_without_a_hold_ditto_learns_alone():
    progress = trained(quadratic(*UNLIKE), ditto(sgd(lr=LR, epochs=K), 0.0), AVERAGE, 90)
    assert float(progress.clients["0/local/personal"]) == pytest.approx(0.0, abs=1e-10)
    assert float(progress.clients["1/local/personal"]) == pytest.approx(1.0, rel=1e-10)


def images(clients=5):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(80, 3, generator=generator, dtype=torch.float64)
    y = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
    data = Data(x[:60], y[:60], test=(x[60:], y[60:]))
    model = lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 4))  # noqa: E731
    return Task(model, cross_entropy, data.split(shards(clients)), dtype=torch.float64)


RULES = {
    "personal": (personal_layers(sgd(lr=0.3, epochs=2, batch_size=4), ["2.*"]), mean()),
    "personal adam": (
        personal_layers(adam(lr=0.02, batch_size=4, keep_state=True), ["2.weight", "2.bias"]),
        mean(),
    ),
    "personal, pulled": (
        fedprox(personal_layers(sgd(lr=0.3, batch_size=4), ["2.*"]), mu=0.1),
        mean(),
    ),
    "personal, corrected": (
        personal_layers(scaffold(sgd(lr=0.3, batch_size=4)), ["2.*"]),
        aggregators.scaffold(),
    ),
    "ditto": (ditto(sgd(lr=0.3, epochs=2, batch_size=4, momentum=0.5), 0.1), mean()),
    "ditto adam": (ditto(adam(lr=0.02, batch_size=4, keep_state=True), 0.1), mean()),
}


@pytest.mark.parametrize("name", RULES)
def test_engines_agree(name):
    local, server = RULES[name]
    problem = images()
    slow = trained(problem, local, Strategy(server), 3, cohort=3)
    others = [vectorised(), vectorised(2)] + ([in_place()] if local.in_place else [])
    for engine in others:
        fast = trained(problem, local, Strategy(server), 3, engine, cohort=3)
        torch.testing.assert_close(slow.params, fast.params, rtol=1e-9, atol=1e-9)
        assert slow.clients.keys() == fast.clients.keys()
        for part, value in slow.clients.items():
            torch.testing.assert_close(value, fast.clients[part], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", RULES)
def test_going_on_from_a_saved_state_gives_the_same_bits(name, tmp_path):
    local, server = RULES[name]
    run = federation(images(), local, Strategy(server), vectorised(), 4, 3, 0, "")
    progress, store = begin(run), Store(tmp_path)
    store.prepare()
    for number in range(1, 5):
        progress = advance(run, progress)
        if number == 2:
            store.save(progress, "s")
    again = federation(images(), local, Strategy(server), vectorised(), 4, 3, 0, "")
    resumed, _ = store.latest("s")
    for _ in range(2):
        resumed = advance(again, resumed)
    assert resumed.digest() == progress.digest()
    assert all(torch.equal(v, progress.clients[n]) for n, v in resumed.clients.items())


def test_own_models_are_better_at_home_and_measured_there():
    problem = images()
    for rule in ("personal", "ditto"):
        progress = trained(problem, RULES[rule][0], AVERAGE, 6, vectorised())
        first, last = progress.rows[0], progress.rows[-1]
        assert first["test_personal_accuracy"] is None
        assert last["test_personal_accuracy"] > last["test_accuracy"]
    plain = trained(problem, sgd(lr=0.3, batch_size=4), AVERAGE, 1)
    assert "test_personal_accuracy" not in plain.rows[-1]


def test_a_client_is_measured_on_its_own_mix_of_classes():
    x = torch.arange(6.0)[:, None]
    tests = torch.tensor([0, 0, 0, 1, 2])
    data = Data(x, torch.tensor([0, 0, 1, 1, 1, 2]), test=(torch.zeros(5, 1), tests))
    split = data.split(
        lambda y, owners, rng: Shares((torch.tensor([0, 2, 3]), torch.tensor([1, 4, 5])))
    )
    model = lambda: nn.Linear(1, 3)  # noqa: E731
    objective = Task(model, cross_entropy, split).objective(0)
    weights = class_weights(objective, 0)
    assert weights.tolist() == pytest.approx([1 / 9, 1 / 9, 1 / 9, 2 / 3, 0])
    values = objective.per_example(objective.first, torch.tensor(0))
    whole = objective.evaluate(objective.first, torch.tensor(0))
    assert {n: float(v.mean()) for n, v in values.items()} == pytest.approx(whole)


def test_classes_that_are_not_tested_cannot_be_measured():
    x = torch.zeros(4, 1)
    data = Data(x, torch.tensor([0, 1, 0, 1]), test=(x[:1], torch.tensor([0])))
    split = data.split(lambda y, owners, rng: Shares((torch.tensor([0, 2]), torch.tensor([1, 3]))))
    objective = Task(lambda: nn.Linear(1, 2), cross_entropy, split).objective(0)
    assert class_weights(objective, 0).tolist() == [1.0]
    assert class_weights(objective, 1) is None


def test_a_layer_that_is_not_there_is_named_before_training():
    with pytest.raises(InputError, match=r"but '2.wieght' fits none. Did you mean `2.weight`\?"):
        trained(images(), personal_layers(sgd(), ["2.wieght"]), AVERAGE, 1)
    with pytest.raises(InputError, match=r"must leave a tensor to share, but '\*' fits all"):
        trained(images(), personal_layers(sgd(), ["*"]), AVERAGE, 1)
    with pytest.raises(InputError, match="`layers` must name at least one"):
        personal_layers(sgd(), [])


@pytest.mark.parametrize("strength", [-1.0, math.inf, math.nan])
def test_a_strength_must_be_finite(strength):
    with pytest.raises(InputError, match="`strength` must be finite"):
        ditto(sgd(), strength)


def test_ditto_needs_a_plain_optimiser_and_no_step_in_place():
    with pytest.raises(InputError, match="`ditto` must be built around a plain optimiser"):
        ditto(fedprox(sgd()))
    with pytest.raises(InputError, match="needs a local rule with a step in place"):
        trained(quadratic(*UNLIKE), ditto(sgd()), AVERAGE, 1, in_place())


def test_dropout_in_both_models_of_ditto():
    # The same key, hence the same masks: equal models stay equal without a hold.
    progress = trained(task(with_dropout), ditto(sgd(lr=0.1), 0.0), AVERAGE, 1, cohort=6)
    owns = torch.stack([progress.clients[f"{i}/local/personal"] for i in range(6)])
    torch.testing.assert_close(owns.mean(0), progress.params[0], rtol=1e-10, atol=1e-12)
