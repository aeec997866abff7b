"""Clients with different hardware in one federation."""

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.hashing import uniform
from fedqml.core.transform import chain
from fedqml.core.updates import Context, Updates
from fedqml.data.losses import cross_entropy
from fedqml.data.task import Task
from fedqml.engines import sequential, vectorised
from fedqml.engines.fleet import by_hardware
from fedqml.experiments.python import run
from fedqml.federated.attacks import model_replacement, sign_flip
from fedqml.federated.local import sgd
from fedqml.quantum import Cost, Device, on
from fedqml.quantum.devices.statevector import evaluate
from tests.federations import AVERAGING, data, hybrid, one_round, task


def weak(circuit, x, w, key):
    """A device that loses half of its signal and adds noise."""
    noise = uniform(key, len(circuit.observables)).to(w.dtype) - 0.5
    return 0.5 * evaluate(circuit, x, w) + 0.1 * noise


def costs(circuit, inputs=True):
    return Cost(3, 30)


WEAK = on(Device(weak, random=True, forward=costs, gradient=costs))
FLEET = {1: WEAK, 4: WEAK, 5: on(Device(evaluate))}
UNCHANGED = chain()


def mixed(fleet=FLEET):
    return Task(hybrid, cross_entropy, data(), dtype=torch.float64, fleet=fleet)


def updates(task, engine, cohort=(0, 1, 2, 4, 5), client=UNCHANGED, clients=None):
    objective = task.objective(seed=0)
    local = sgd(lr=0.1, epochs=2, batch_size=4)
    train = by_hardware(engine)(objective, local, client)
    context = Context(1, torch.tensor(cohort), objective.first[None], seed=0)
    found, _ = one_round(train, context, {}, clients)
    return found


@pytest.mark.parametrize("engine", [sequential, vectorised])
def test_each_client_trains_on_its_own_hardware(engine):
    found = updates(mixed(), engine())
    assert found.clients.tolist() == [0, 1, 2, 4, 5]
    exact, noisy = (
        updates(task(), engine()),
        updates(mixed(dict.fromkeys(range(6), WEAK)), engine()),
    )
    for row, expected in enumerate((exact, noisy, exact, noisy, exact)):
        torch.testing.assert_close(found.delta[row], expected.delta[row], rtol=0, atol=1e-13)
    assert (exact.delta - noisy.delta).abs().max() > 1e-3


def test_both_engines_draw_the_same():
    one, other = updates(mixed(), sequential()), updates(mixed(), vectorised())
    torch.testing.assert_close(one.delta, other.delta, rtol=0, atol=1e-13)


@pytest.mark.parametrize("clients", [[0, 1, 2, 4, 5], [1, 4], [2]])
@pytest.mark.parametrize("fleet", [{}, FLEET])
@pytest.mark.parametrize(
    ("attack", "factor"),
    [
        (sign_flip(0.4), -1),
        (model_replacement([1, 2]), 5 / 2),
        (model_replacement(0.2), 5),
    ],
)
def test_attackers_are_those_of_the_whole_cohort(attack, factor, fleet, clients):
    honest = updates(mixed(fleet), sequential(), clients=clients)
    assert honest.clients.tolist() == clients
    found = updates(mixed(fleet), sequential(), client=attack, clients=clients)
    cohort = torch.tensor([0, 1, 2, 4, 5])
    context = Context(1, cohort, torch.zeros(1, 1), seed=0)
    ones = Updates(cohort, torch.ones(5, 1, dtype=torch.float64), torch.ones(5), {})
    factors = attack.apply(ones, {}, context)[0].delta
    assert sorted({*factors.flatten().tolist()}) == sorted([1, factor])
    expected = honest.delta * factors[torch.isin(cohort, honest.clients)]
    torch.testing.assert_close(found.delta, expected, rtol=0, atol=1e-13)


def test_hardware_of_one_kind_is_one_objective():
    objective = mixed().objective(seed=0)
    assert objective.of(1) is objective.of(4)
    assert objective.of(0) is objective.of(2) is objective
    assert len({objective.of(c) for c in range(6)}) == 3


def test_costs_are_those_of_each_client_s_device():
    def trained(fleet):
        row = run(mixed(fleet), sgd(), AVERAGING, rounds=1, clients_per_round=6).rows[1]
        return row["circuit_evaluations"], row["shots"], row["samples"]

    shares = [len(rows) for rows in data().clients]
    evaluations, shots, samples = trained(FLEET)
    assert shots == 30 * (shares[1] + shares[4])
    assert evaluations == trained({})[0] + 2 * (shares[1] + shares[4])
    assert samples == sum(shares)


def test_a_run_repeats_to_the_bit_and_hardware_matters():
    def trained(fleet):
        return run(mixed(fleet), sgd(), AVERAGING, rounds=2, clients_per_round=6).hash

    assert trained(FLEET) == trained(FLEET)
    assert trained(FLEET) != trained({1: WEAK})


def test_a_change_that_works_in_place_leaves_the_other_clients_alone():
    def in_place(model):
        model[1].device = Device(weak, random=True)
        return model

    objective = mixed({1: in_place}).objective(seed=0)
    assert objective.module[1].device != objective.of(1).module[1].device


def test_fleets_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="`fleet` must name clients from 0 to 5, but fleet=6"):
        mixed({6: WEAK})
    with pytest.raises(InputError, match="must leave its trainable tensors"):
        mixed({0: lambda model: model[1]}).objective(seed=0)
