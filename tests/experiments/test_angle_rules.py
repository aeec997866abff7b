"""Rules that know angles, in experiment files and from Python."""

from pathlib import Path

import pytest
import torch

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.rounds import begin, proceed
from tests.federations import hybrid, task

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 5},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}},
    "local": {"use": "sgd", "lr": 0.1},
    "run": {"rounds": 2, "clients_per_round": 5},
}


def params(*server, **sections):
    table = TABLE | sections | {"strategy": {"server": list(server)}}
    (experiment,) = experiments(table, "angles", Path())
    federation = builder()(experiment)
    *_, progress = proceed(federation, begin(federation))
    return progress.params[0]


@pytest.mark.parametrize("use", ["circular_mean", "su2_mean"])
def test_the_angles_come_from_the_model(use):
    found = params({"use": use})
    plain = params({"use": "mean"})
    by_one = params({"use": use}, engine={"use": "sequential"})
    torch.testing.assert_close(found, by_one, rtol=0, atol=1e-5)
    assert not torch.equal(found, plain)
    # of a small spread all means are nearly the same
    torch.testing.assert_close(found, plain, rtol=0, atol=1e-3)


def test_a_length_above_all_others_leaves_the_mean():
    found = params({"use": "circular_mean", "least_length": 1.0})
    torch.testing.assert_close(found, params({"use": "mean"}), rtol=1e-6, atol=1e-6)


def test_making_the_model_to_ask_it_draws_nothing_of_the_run():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    params({"use": "circular_mean"})
    assert torch.equal(torch.rand(1), expected)


def test_a_model_without_angles_is_refused_before_training():
    model = {"use": "vgg_vqc", "hidden": [], "core": {"use": "linear"}}
    with pytest.raises(InputError, match="The model has no trained angles"):
        params({"use": "circular_mean"}, model=model)


def test_a_file_does_not_say_which_weights_are_angles():
    with pytest.raises(InputError, match=r"strategy\.server\.angles: unknown key"):
        params({"use": "circular_mean", "angles": [1]})


@pytest.mark.parametrize("rule", [fq.aggregators.circular_mean, fq.aggregators.su2_mean])
def test_from_python(rule, tmp_path):
    def trained(**settings):
        strategy = fq.Strategy(server=rule(fq.angles(hybrid()), **settings))
        local = fq.local.sgd(lr=0.1)
        return fq.run(task(), local, strategy, rounds=2, clients_per_round=6, results=tmp_path)

    one = trained()
    assert trained().folder == one.folder
    assert len(list(tmp_path.iterdir())) == 1
