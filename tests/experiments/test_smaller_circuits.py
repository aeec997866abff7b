"""Fleets of clients with smaller circuits, from an experiment file."""

from pathlib import Path

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.rounds import begin, proceed
from fedqml.experiments.run import run_experiment
from tests.experiments.watching import silent
from tests.federation.in_process import InProcess

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 6},
    "model": {"use": "dense_vqc", "qubits": 3, "ansatz": {"depth": 2}},
    "local": {"use": "adam", "lr": 0.05, "batch_size": 64},
    "fleet": [
        {"clients": "0-1", "layers": 1, "epochs": 2},
        {"clients": "2", "qubits": 2},
        {"clients": [3], "layers": 1, "qubits": 2, "device": {"use": "parameter_shift"}},
    ],
    "strategy": {"server": [{"use": "partial_mean"}]},
    "engine": {"use": "sequential"},
    "run": {"rounds": 2, "clients_per_round": 6, "dtype": "float64"},
}


def experiment(on_nodes=False, overrides=(), **sections):
    return experiments(TABLE | sections, "smaller", Path(), overrides, on_nodes)[0]


def params(**sections):
    federation = builder()(experiment(**sections))
    *_, progress = proceed(federation, begin(federation))
    return progress.params[0]


@pytest.mark.parametrize("engine", ["vectorised", "in_place"])
def test_engines_agree(engine):
    found, expected = params(engine={"use": engine}), params()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    assert (expected - params(fleet=[])).abs().max() > 1e-3


@pytest.mark.parametrize("engine", ["sequential", "vectorised"])
def test_nodes_give_the_bits_of_one_process(tmp_path, engine):
    sections = {"engine": {"use": engine}}
    here = run_experiment(experiment(**sections), builder(), tmp_path, silent)
    there = experiment(True, ["engine.asks=1", "engine.deadline=5.0"], **sections)
    transport = InProcess(tmp_path, {"bern": [0, 3, 5], "ulm": [1, 2, 4]})
    found = run_experiment(there, builder(transport), tmp_path, silent)
    assert found.summary["hash"] == here.summary["hash"]


def test_smaller_circuits_cost_less():
    def cost(fleet):
        federation = builder()(experiment(fleet=fleet))
        (_, row, *_) = [
            p.rows[-1] for p in (begin(federation), *proceed(federation, begin(federation)))
        ]
        return row["hardware_evaluations"]

    assert cost([{"clients": "0-5", "layers": 1}]) < cost([])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"layers": 0}, "fleet: Argument `layers` must be at least 1"),
        ({"layers": "one"}, "fleet: Argument `layers` must be a whole number"),
        ({"qubits": 1.5}, "fleet: Argument `qubits` must be a whole number"),
        ({"layers": 3}, "fleet: Argument `layers` must be at most 2, the layers of the circuit"),
        ({"qubits": 1}, "fleet: Argument `qubits` must be at least 2, as .* measures Z0, Z1"),
        ({"device": {"use": "sampled", "shots": 0}}, "fleet.device: Argument `shots` must be"),
        ({"depth": 1}, "fleet must be a list of tables like"),
    ],
)
def test_what_cannot_be_cut_is_said_before_training(entry, message):
    with pytest.raises(InputError, match=message):
        builder()(experiment(fleet=[{"clients": "1", **entry}]))
