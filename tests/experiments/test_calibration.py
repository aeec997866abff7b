"""The clients' calibrations from the devices of a task, and their way into a strategy."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.run import run_experiment
from fedqml.federated.aggregators import calibrated_mean, mean
from fedqml.federated.calibration import Calibration
from fedqml.federated.local import sgd
from fedqml.quantum.devices import density, sampled
from fedqml.quantum.equipment import on
from tests.experiments.watching import silent
from tests.federations import hybrid, task, with_dropout

NOISE = {"one_qubit": {"depolarising": 0.02}, "readout": 0.01}
TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 4},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}},
    "fleet": [
        {"clients": "0", "device": {"use": "density", "noise": NOISE}},
        {"clients": "1, 2", "device": {"use": "sampled", "shots": 50}},
    ],
    "local": {"use": "sgd", "lr": 0.1, "batch_size": 64},
    "strategy": {"server": [{"use": "calibrated_mean", "shot_noise": 20.0}]},
    "engine": {"use": "sequential"},
    "run": {"rounds": 1, "clients_per_round": 4},
}


def test_each_client_has_the_calibration_of_its_device():
    noisy, few = on(sampled(density(NOISE), shots=7)), on(sampled(shots=9))
    problem = replace(task(hybrid), fleet={1: noisy, 4: few, 5: noisy})
    found = fq.calibration(problem)
    assert [own.shots for own in found] == [math.inf, 7, math.inf, math.inf, 9, 7]
    assert [own.attenuation == 1 for own in found] == [True, False, True, True, True, False]
    assert found[1] == found[5]


def test_a_model_without_circuits_has_none():
    with pytest.raises(InputError, match="no quantum layer whose device could be calibrated"):
        fq.calibration(task(with_dropout))


def test_it_is_worked_out_for_the_strategy_of_a_file(tmp_path):
    (run,) = experiments(TABLE, "demo", Path())
    federation = builder()(run)
    rows = torch.randn(4, len(federation.objective.first))
    updates = fq.Updates(torch.arange(4), rows, torch.ones(4), {"train_loss": torch.zeros(4)})
    context = fq.Context(1, updates.clients, rows[:1], seed=0, population=4)
    found = federation.server.apply(updates, {}, context)[0].delta
    layer = next(m for m in federation.objective.module.modules() if hasattr(m, "circuit"))
    gates = sum(len(op.wires) == 1 for op in layer.circuit.ops)
    quality = torch.tensor([0.98**gates * 0.98, 1 / 1.4, 1 / 1.4, 1.0])
    torch.testing.assert_close(found[0], quality @ rows / quality.sum(), rtol=1e-5, atol=1e-5)
    assert run_experiment(run, builder(), tmp_path, silent).summary["status"] == "finished"


def test_a_file_cannot_set_it():
    table = {**TABLE, "strategy": {"server": [{"use": "calibrated_mean", "calibration": []}]}}
    with pytest.raises(InputError, match=r"strategy.server.calibration: unknown key"):
        experiments(table, "demo", Path())


def plain():
    return nn.Linear(30, 2)


def test_a_file_s_model_without_circuits_is_refused():
    model = {"use": f"{__name__}:plain"}
    (run,) = experiments({**TABLE, "model": model, "fleet": []}, "demo", Path())
    with pytest.raises(InputError, match=r"no quantum layer .* `calibrated_mean` needs"):
        builder()(run)


def test_a_saved_run_from_python_knows_the_calibration(tmp_path):
    problem = task(hybrid)
    settings = {"rounds": 1, "clients_per_round": 3, "results": tmp_path}
    for fleet in ([Calibration()] * 6, [Calibration(0.5)] + 5 * [Calibration()]):
        strategy = Strategy(calibrated_mean(fleet))
        again = [fq.run(problem, sgd(), strategy, **settings).folder for _ in range(2)]
        assert again[0] == again[1]
    assert len(list(tmp_path.iterdir())) == 2
    alike = fq.run(problem, sgd(), Strategy(calibrated_mean([Calibration(0.3)] * 6)), 1, 3)
    plain = fq.run(problem, sgd(), Strategy(mean()), 1, 3)
    assert alike.rows[-1]["test_loss"] == pytest.approx(plain.rows[-1]["test_loss"], rel=1e-12)
