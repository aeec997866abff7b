"""Natural gradients: closed forms, the same from every engine, and what they need."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy
from fedqml.engines import in_place, sequential, vectorised
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.run import run_experiment
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam, ditto, fisher, quantum_natural_gradient, sgd
from fedqml.quantum.ansatze import rot_cnot
from fedqml.quantum.encodings import arctan
from fedqml.quantum.fubini_study import fubini_study_diagonal
from fedqml.quantum.layer import QuantumLayer
from tests.engines.test_local_rules import trained, uneven
from tests.experiments.watching import silent
from tests.federations import hybrid, task, with_dropout

MEAN = Strategy(mean())


def ones(rows):
    return torch.arange(rows), torch.ones(rows, dtype=torch.bool)


def test_the_metric_of_a_model_is_that_of_its_circuit_at_what_comes_before_it():
    problem = task(hybrid)
    objective = problem.objective(0)
    found = fq.fubini_study(problem)(objective.first, *ones(5))
    weights = objective.packing.unpack(objective.first)
    x = nn.functional.linear(problem.data.data.x[:5], weights["0.weight"], weights["0.bias"])
    layer = hybrid()[1]
    own = fubini_study_diagonal(layer.circuit, x, weights["1.weights"]).mean(0)
    parts = objective.packing.unpack(found)
    torch.testing.assert_close(parts["1.weights"], own)
    assert all((parts[name] == 1).all() for name in ("0.weight", "0.bias"))


def test_weights_that_are_not_trained_are_those_of_the_run():
    def frozen():
        model = hybrid()
        model[0].requires_grad_(False)
        return model

    objective = task(frozen).objective(3)
    found = fq.fubini_study(task(frozen), seed=3)(objective.first, *ones(5))
    layer, weights = objective.module[1], objective.packing.unpack(objective.first)["1.weights"]
    x = objective.module[0](objective.data.data.x[:5])
    own = fubini_study_diagonal(layer.circuit, x, weights).mean(0)
    torch.testing.assert_close(objective.packing.unpack(found)["1.weights"], own)


def test_masked_rows_do_not_count_and_repeated_circuits_add_up():
    problem = task(hybrid)
    metric, first = fq.fubini_study(problem), problem.objective(0).first
    rows, mask = ones(5)
    mask[3:] = False
    torch.testing.assert_close(metric(first, rows, mask), metric(first, *ones(3)))

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = QuantumLayer(arctan(3), rot_cnot(3, depth=1), measure=2)

        def forward(self, x):
            return self.layer(torch.stack([x, x], 1)).mean(1)

    class Once(Twice):
        def forward(self, x):
            return self.layer(x)

    twice, once = (fq.fubini_study(task(model)) for model in (Twice, Once))
    weights = task(Once).objective(0).first
    torch.testing.assert_close(twice(weights, *ones(4)), 2 * once(weights, *ones(4)))


def test_circuits_that_share_their_weights_add_up():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = (
                QuantumLayer(arctan(3), rot_cnot(3, depth=1), measure=2) for _ in range(2)
            )
            self.second.weights = self.first.weights

        def forward(self, x):
            return self.first(x) + self.second(x)

    class Alone(Tied):
        def __init__(self):
            super().__init__()
            self.second = nn.Identity()

        def forward(self, x):
            return self.first(x)

    tied, alone = (fq.fubini_study(task(model)) for model in (Tied, Alone))
    weights = task(Alone).objective(0).first
    torch.testing.assert_close(tied(weights, *ones(4)), 2 * alone(weights, *ones(4)))


def test_inputs_that_do_not_begin_with_the_batch_are_refused():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = QuantumLayer(arctan(3), rot_cnot(3, depth=1), measure=2)

        def forward(self, x):
            return self.layer(torch.stack([x, x])).mean(0)

    metric, first = fq.fubini_study(task(Patches)), task(Patches).objective(0).first
    with pytest.raises(InputError, match="with the 4 examples of the batch in front"):
        metric(first, *ones(4))


def test_a_step_is_the_gradient_over_the_metric():
    problem = task(hybrid, clients=1)
    objective, damping = problem.objective(0), 0.1
    metric = fq.fubini_study(problem)
    rule = quantum_natural_gradient(sgd(lr=0.5, batch_size=40), metric, damping)
    progress = trained(problem, rule, MEAN, 1)
    rows, mask = ones(40)
    key = torch.zeros((), dtype=torch.int64)
    gradient = torch.func.grad(objective.batch_loss)(objective.first, rows, mask, key)
    expected = objective.first - 0.5 * gradient / (metric(objective.first, rows, mask) + damping)
    torch.testing.assert_close(progress.params[0], expected)


@pytest.mark.parametrize(
    "optimiser",
    [sgd(lr=0.1, batch_size=4, epochs=2), adam(lr=0.02, batch_size=4)],
)
def test_engines_agree(optimiser):
    problem = task(hybrid, partition=uneven)
    rule = quantum_natural_gradient(optimiser, fq.fubini_study(problem))
    slow = trained(problem, rule, MEAN, 2)
    for engine in (vectorised(), vectorised(2)):
        fast = trained(problem, rule, MEAN, 2, engine)
        torch.testing.assert_close(slow.params, fast.params, rtol=1e-9, atol=1e-9)


def test_a_traced_step_is_the_same():
    problem = task(hybrid, rows=20, clients=2)
    rule = quantum_natural_gradient(sgd(lr=0.05, batch_size=5, epochs=80), fq.fubini_study(problem))
    slow, fast = (trained(problem, rule, MEAN, 1, e) for e in (sequential(), vectorised()))
    torch.testing.assert_close(slow.params, fast.params, rtol=1e-8, atol=1e-8)


def test_what_it_cannot_do_is_said_before_training():
    problem = task(hybrid)
    metric = fq.fubini_study(problem)
    rule = quantum_natural_gradient(sgd(), metric)
    with pytest.raises(InputError, match="needs a local rule with a step in place"):
        trained(problem, rule, MEAN, 1, in_place())
    with pytest.raises(InputError, match="which ditto does not"):
        quantum_natural_gradient(ditto(sgd()), metric)
    with pytest.raises(InputError, match="`fisher` would report natural ones"):
        quantum_natural_gradient(fisher(sgd()), metric)
    with pytest.raises(InputError, match="must be built around one that steps along plain"):
        fisher(rule)
    deep = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(3, 2), QuantumLayer(arctan(2), rot_cnot(2, depth=2), measure=2)
    )
    smaller = replace(task(deep), fleet={1: fq.on(layers=1)})
    with pytest.raises(InputError, match="clients that have smaller ones"):
        fq.fubini_study(smaller)
    with pytest.raises(InputError, match="`damping` must be positive"):
        quantum_natural_gradient(sgd(), metric, damping=0.0)
    with pytest.raises(InputError, match="no quantum layer whose state could have a metric"):
        fq.fubini_study(task(with_dropout))


NATURAL = {
    "use": "quantum_natural_gradient",
    "optimiser": {"use": "sgd", "lr": 0.1, "batch_size": 64},
}


def of_a_file(local):
    table = {
        "data": {"use": "breast_cancer"},
        "partition": {"use": "iid", "clients": 4},
        "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}},
        "local": local,
        "run": {"rounds": 2, "clients_per_round": 4},
    }
    return experiments(table, "demo", Path())[0]


def test_it_is_named_in_a_file_without_a_metric(tmp_path):
    run = of_a_file(NATURAL)
    assert run.config["local"].keys() == {"use", "optimiser", "damping"}
    final = run_experiment(run, builder(), tmp_path, silent).summary["final"]
    assert final["test_loss"] < 0.69


def test_rules_of_a_file_are_built_around_it(tmp_path):
    alone = run_experiment(of_a_file(NATURAL), builder(), tmp_path, silent).summary["final"]
    pulled = {"use": "fedprox", "mu": 0.0, "optimiser": NATURAL}
    twice = {"use": "fedprox", "mu": 0.0, "optimiser": pulled}
    for local in (pulled, twice):
        around = run_experiment(of_a_file(local), builder(), tmp_path, silent).summary["final"]
        assert around["test_loss"] == pytest.approx(alone["test_loss"], rel=1e-6)
    with pytest.raises(InputError, match="must be built around one that steps along plain"):
        builder()(of_a_file({"use": "fisher", "optimiser": NATURAL}))
