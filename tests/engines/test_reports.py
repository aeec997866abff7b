"""What clients report beside their updates: closed forms, from every engine, and who may use it."""

import math
from dataclasses import replace

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy, chain
from fedqml.core.updates import Context
from fedqml.engines import in_place, sequential, vectorised
from fedqml.federated.aggregators import (
    coordinate_median,
    fednova,
    fisher_mean,
    inverse_variance_mean,
    mean,
)
from fedqml.federated.budget import Budget
from fedqml.federated.compression import quantise
from fedqml.federated.local import (
    adam,
    ditto,
    fedprox,
    fisher,
    gradient_variance,
    personal_layers,
    sgd,
)
from fedqml.federated.preaggregators import bucketing
from fedqml.quantum.devices import density
from fedqml.quantum.equipment import on
from tests.engines.test_local_rules import quadratic, trained, uneven
from tests.federations import hybrid, one_round, task, with_dropout

LR, K = 0.05, 6
ENGINES = [sequential(), vectorised(), vectorised(1), in_place()]


def reported(problem, local, engine):
    """Return what the clients report in a first round."""
    objective = problem.objective(0)
    cohort = torch.arange(len(problem.data.clients))
    context = Context(1, cohort, objective.first[None], seed=0)
    return one_round(engine(objective, local, chain()), context, {})[0].reports


@pytest.mark.parametrize("engine", ENGINES)
def test_the_reports_are_those_of_the_gradients_at_the_steps(engine):
    clients = (1.0, 0.0, 2), (4.0, 1.0, 2)
    local = sgd(lr=LR, epochs=K, batch_size=2)
    both = reported(quadratic(*clients), fisher(gradient_variance(local)), engine)
    for client, (a, b, _) in enumerate(clients):
        gradients = a * (3.0 - b) * (1 - LR * a) ** torch.arange(K).double()
        assert float(both["gradient_variance"][client]) == pytest.approx(float(gradients.var() / K))
        assert both["fisher"][client].tolist() == pytest.approx([float((gradients**2).mean())])


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_single_step_there_is_no_variance(engine):
    local = replace(gradient_variance(sgd(epochs=3, batch_size=2)), budgets={0: Budget(batches=1)})
    problem = quadratic((1.0, 0.0, 2), (1.0, 0.0, 2))
    once, often = reported(problem, local, engine)["gradient_variance"]
    assert math.isnan(once)
    assert often > 0


LOCALS = {
    "sgd": gradient_variance(sgd(lr=0.1, epochs=2, batch_size=4, momentum=0.5)),
    "adam": fisher(gradient_variance(adam(lr=0.02, batch_size=4, keep_state=True))),
    "pulled": fedprox(fisher(sgd(lr=0.1, epochs=2, batch_size=4)), mu=0.3),
    "pulls": fisher(fedprox(sgd(lr=0.1, epochs=2, batch_size=4), mu=0.3)),
    "personal": fisher(personal_layers(sgd(lr=0.1, batch_size=4), ["0.*"])),
}


@pytest.mark.parametrize("name", LOCALS)
def test_engines_agree_and_training_is_that_of_the_optimiser(name):
    problem = task(with_dropout, partition=uneven)
    slow = reported(problem, LOCALS[name], sequential())
    for engine in ENGINES[1:]:
        fast = reported(problem, LOCALS[name], engine)
        assert fast.keys() == slow.keys()
        for report, values in slow.items():
            assert values.dtype == torch.float64
            assert len(values) == 5
            torch.testing.assert_close(fast[report], values, rtol=1e-9, atol=1e-12, equal_nan=True)


def test_clients_of_unequal_hardware_report_in_the_order_of_their_numbers():
    problem = task(hybrid)
    noisy = on(density({"one_qubit": {"depolarising": 0.1}}))
    fleet = replace(problem, fleet={0: noisy, 3: noisy})
    server = Strategy(inverse_variance_mean())
    local = gradient_variance(sgd(lr=0.1, batch_size=2))
    mixed = trained(fleet, local, server, 2)
    assert mixed.rows[1]["clients"] == [*range(6)]
    assert not torch.equal(mixed.params, trained(problem, local, server, 2).params)


def test_reports_change_nothing_but_the_bytes():
    problem = task(with_dropout, partition=uneven)
    local = adam(lr=0.02, batch_size=4, keep_state=True)
    plain = trained(problem, local, Strategy(mean()), 2)
    told = trained(problem, fisher(gradient_variance(local)), Strategy(mean()), 2)
    assert torch.equal(plain.params, told.params)
    assert plain.clients.keys() == told.clients.keys()
    d = plain.params.shape[1]
    assert told.rows[1]["bytes_up"] == plain.rows[1]["bytes_up"] + 5 * 8 * (d + 1)
    small = trained(problem, fisher(local), Strategy(mean(), quantise()), 1).rows[1]["bytes_up"]
    assert small == trained(problem, local, Strategy(mean(), quantise()), 1).rows[1]["bytes_up"] + (
        5 * 8 * d
    )


@pytest.mark.parametrize("factory", [mean, fednova, coordinate_median])
def test_aggregators_that_need_no_report_take_the_updates_as_ever(factory):
    problem = task(with_dropout)
    local = sgd(lr=0.1, batch_size=4)
    plain = trained(problem, local, Strategy(factory()), 1)
    assert torch.equal(plain.params, trained(problem, fisher(local), Strategy(factory()), 1).params)


@pytest.mark.parametrize(
    ("rule", "report"),
    [(inverse_variance_mean, "gradient_variance"), (fisher_mean, "fisher")],
)
def test_a_report_that_nobody_makes_is_missed_before_training(rule, report):
    said = f"`{rule.__name__}` needs the report `{report}`, which the local rule does not make"
    for server in (rule(), chain(bucketing(2), rule())):
        with pytest.raises(InputError, match=said):
            trained(task(with_dropout), sgd(), Strategy(server), 1)


@pytest.mark.parametrize("rule", [fisher, gradient_variance])
def test_weights_beside_the_model_s_are_refused(rule):
    with pytest.raises(InputError, match="which ditto and quantum_natural_gradient do not"):
        rule(ditto(sgd()))
    longer = replace(sgd(), begin=lambda received, kept: (received.params.repeat(2), {}))
    with pytest.raises(InputError, match="one that trains the model's weights alone"):
        trained(task(with_dropout), rule(longer), Strategy(mean()), 1)
    with pytest.raises(InputError, match="around a plain optimiser"):
        ditto(rule(sgd()))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("server", [chain(bucketing(2), fisher_mean()), fisher_mean()])
def test_the_joint_optimum_of_quadratics_with_unlike_curvatures(engine, server):
    # One step from afar: squared gradients order the clients as squared curvatures do.
    problem = quadratic((1.0, 0.0, 1), (4.0, 1.0, 1))
    progress = trained(problem, fisher(sgd(lr=0.1)), Strategy(server), 1, engine)
    gradients = torch.tensor([3.0, 8.0]).double()
    if isinstance(server.fold, type(None)):
        expected = -0.1 * gradients.mean()
    else:
        expected = -0.1 * (gradients**3).sum() / (gradients**2).sum()
    assert float(progress.params) == pytest.approx(3.0 + float(expected), rel=1e-6)
