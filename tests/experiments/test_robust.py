"""Attacks, channels and defences in one experiment file."""

from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.rounds import begin, proceed

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 9},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}},
    "local": {"use": "sgd", "lr": 0.1},
    "run": {"rounds": 2, "clients_per_round": 9},
}
NUMBERS = 30 * 2 + 2 + 6


def last(**sections):
    (experiment,) = experiments(TABLE | sections, "robust", Path())
    federation = builder()(experiment)
    *_, progress = proceed(federation, begin(federation))
    return progress.rows[-1]


def server(*uses):
    return {"client": [], "server": list(uses)}


def test_all_of_it_works_together():
    strategy = {
        "client": [
            {"use": "client_momentum"},
            {"use": "sign_flip", "attackers": 0.12},
            {"use": "constant", "attackers": [4]},
            {"use": "free_rider", "attackers": [5]},
            {"use": "top_k", "fraction": 0.1},
            {"use": "quantise", "bits": 8},
        ],
        "server": [
            {"use": "alie", "attackers": [6]},
            {"use": "noisy_uplink", "snr": 20.0},
            {"use": "bucketing", "size": 1},
            {"use": "krum", "f": 3},
            {"use": "yogi"},
        ],
    }
    row = last(strategy=strategy, poison={"use": "label_flip", "attackers": 0.12})
    assert row["refused"] == [4]
    # 7 entries with their places and a scale; who sends NaN, a scale that says so
    assert row["bytes_up"] == 8 * (7 * 5 + 4) + 4
    assert row["bytes_down"] == 9 * NUMBERS * 4


def test_without_compression_every_number_is_sent():
    assert last()["bytes_up"] == 9 * NUMBERS * 4


def test_a_bound_is_checked_before_training():
    with pytest.raises(InputError, match=r"`f` must satisfy 2f \+ 3 <= k = 9.*but f=4"):
        last(strategy=server({"use": "krum", "f": 4}))


def test_an_optimiser_needs_an_aggregator_before_it():
    with pytest.raises(InputError, match="write it behind one"):
        last(strategy=server({"use": "adam"}, {"use": "mean"}))


def test_an_attack_that_knows_all_rows_is_none_of_a_client():
    strategy = {"client": [{"use": "alie", "attackers": [0]}], "server": [{"use": "mean"}]}
    with pytest.raises(InputError, match="there is no `alie`"):
        last(strategy=strategy)


def test_a_back_door_opens_without_a_defence_and_its_success_is_measured():
    sections = {
        "poison": {"use": "backdoor", "attackers": [2, 5], "target": 1, "value": 4.0},
        "local": {"use": "sgd", "lr": 0.3, "epochs": 2},
        "run": {"rounds": 4, "clients_per_round": 9},
    }
    replaced = [{"use": "model_replacement", "attackers": [2, 5]}]
    alone = last(**sections)
    longer = last(**sections, strategy={"client": replaced})
    withstood = last(**sections, strategy={"client": replaced, "server": [{"use": "krum", "f": 2}]})
    assert alone["test_backdoor_success"] < 0.2
    assert longer["test_backdoor_success"] > 0.4
    assert withstood["test_backdoor_success"] == 0
    for row in (alone, longer, withstood):
        assert row["test_accuracy"] > 0.9
    # 114 test rows, and the 42 of class 0 once more, each a circuit's run
    plain = last(**{**sections, "poison": {"use": "label_flip", "attackers": [2, 5]}})
    assert alone["circuit_evaluations"] - plain["circuit_evaluations"] == 42
