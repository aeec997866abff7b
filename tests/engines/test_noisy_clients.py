"""Clients whose circuits are noisy, each in its own way."""

import torch

from fedqml.data.losses import cross_entropy
from fedqml.data.task import Task
from fedqml.engines import sequential, vectorised
from fedqml.experiments.python import run
from fedqml.federated.local import sgd
from fedqml.quantum import on
from fedqml.quantum.devices import density, trajectories
from tests.federations import AVERAGING, data, hybrid

WEAK = {"one_qubit": {"depolarising": 0.01}, "two_qubit": {"depolarising": 0.05}, "readout": 0.02}
STRONG = {"one_qubit": {"amplitude_damping": [0.1, 0.2]}, "readout": {"p01": 0.05, "p10": 0.1}}


def trained(engine, fleet):
    task = Task(hybrid, cross_entropy, data(), dtype=torch.float64, fleet=fleet)
    local = sgd(lr=0.5, epochs=2, batch_size=4)
    history = run(task, local, AVERAGING, rounds=2, clients_per_round=6, engine=engine)
    weights = torch.cat([value.flatten() for value in history.weights.values()])
    return weights, history.column("circuit_evaluations")[-1]


def test_engines_agree_and_noise_counts():
    exact, weak = density(WEAK), density(STRONG)
    fleet = {0: on(exact), 2: on(weak), 3: on(trajectories(STRONG, samples=5))}
    (one, cost), (other, _) = trained(sequential(), fleet), trained(vectorised(), fleet)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    clean, less = trained(vectorised(), {})
    assert (clean - one).abs().max() > 1e-3
    # five state vectors for each example of one client, one for all others and in tests
    assert cost > less


def test_noise_without_strength_trains_the_same():
    none = {"two_qubit": {"depolarising": 0.0}}
    fleet = dict.fromkeys(range(6), on(density(none)))
    (found, cost), (expected, same) = trained(vectorised(), fleet), trained(vectorised(), {})
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert cost == same
