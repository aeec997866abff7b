"""Benchmarks reach into the package: a small part of each runs, so that a change is noticed."""

import importlib
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from fedqml.engines.remote.transport import Transport
from fedqml.experiments.config import experiments

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_both_ways_of_low_depth_are_the_same_circuit(load, monkeypatch):
    low_depth = load("low_depth")
    monkeypatch.setattr(low_depth, "ROUNDS", 2)
    monkeypatch.setattr(low_depth, "SECONDS", 0.001)
    assert low_depth.compare(3, 2, torch.float64).startswith("|")


def test_the_peak_is_above_the_kernels(load, monkeypatch):
    peak = load("peak")
    monkeypatch.setattr(peak, "ROUNDS", 2)
    *_, kernels, most, _, _ = peak.compare(8, 6, torch.float64).split("|")
    # the processor's speed may change from one to the other
    assert 0 < int(kernels) < 2 * int(most)


def test_a_gpu_is_held_against_the_processor(load, monkeypatch):
    gpu = load("gpu")
    monkeypatch.setattr(gpu, "ROUNDS", 1)
    monkeypatch.setattr(gpu, "SECONDS", 0.001)
    circuit = gpu.circuit_of(3, 1)
    shapes = (2, 5, circuit.n_inputs), (2, circuit.n_weights), (2, 5, 2)
    found = gpu.step(circuit, *(torch.ones(shape) for shape in shapes))
    assert [part.shape for part in found] == list(shapes[:2])
    if torch.cuda.is_available():
        assert gpu.compare(3, 1, 5, 2, torch.float64).startswith("| 3 | 1 | 5 | 2 | float64 |")


def test_a_round_by_hand_is_a_round_of_fedqml(load):
    rounds = load("rounds")
    objective = rounds.objective_of(clients=2, samples=3)
    both = [rounds.by_hand(objective), rounds.ours(objective, rounds.vectorised())]
    weights = [run(1, objective.first) for run in both]
    torch.testing.assert_close(*weights, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_the_head_trains_in_every_way(load, monkeypatch, rule):
    head = load("head")
    small = {"FEATURES": 49 * 512, "HIDDEN": 8, "BATCH": 2, "STEPS": 2, "ALL": 10}
    for name, value in small.items():
        monkeypatch.setattr(head, name, value)
    head.by_hand(rule)()
    head.as_usual(rule)()
    assert head.averaging().keys() == {"mean", "stack", "add"}


def test_aggregation_is_timed(load, monkeypatch):
    aggregation = load("aggregation")
    monkeypatch.setattr(aggregation, "ROUNDS", 1)
    table = aggregation.measure(43, 200)
    assert len(table) == len(aggregation.RULES) + 4
    assert int(table[-1].split()[-2]) <= 10


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux counts it")
def test_the_memory_of_aggregation_is_measured(load):
    aggregation = load("aggregation")
    lines = aggregation.memory(43, 200)
    measured = [line for line in lines if line.startswith("| ")][2:]
    assert len(measured) == len(aggregation.RULES) + len(aggregation.BEFORE) + 1


def test_every_cell_of_the_grid_is_an_experiment_and_rules_are_left_out_where_undefined(load):
    robustness = load("robustness")
    cells = list(robustness.cells())
    grid = 8 * (1 + 8 * 3) * 2 * 3
    without_bulyan = 8 * 2 * 3  # at 40 %
    assert len(cells) == len(set(cells)) == grid - without_bulyan
    of_one_seed = [cell for cell in cells if cell[0] == "iid" and cell[4] == 0]
    made = {experiments(robustness.table(cell), "x", Path())[0].id for cell in of_one_seed}
    assert len(made) == len(of_one_seed)


def test_runs_are_made_once_and_kept(load, tmp_path):
    many, robustness = load("many_runs"), load("robustness")
    cell = "iid", "mean", "1e38", 0.4, 0
    run = robustness.run(cell)
    run.table["run"] = {"rounds": 8, "clients_per_round": 20, "seeds": [0]}
    path = tmp_path / "runs.csv"
    for _ in range(2):
        many.make_all([run], path, robustness.last_accuracy)
    (line,) = many.read(path)
    assert (line["rule"], line["attack"], line["accuracy"]) == ("mean", "1e38", "0.0")
    # 4e37, then 1e38 a round, as the others' rows are NaN and refused: float32 ends at 3.4e38
    assert line["stopped"] == "5"


def test_every_arm_of_the_questions_is_an_experiment(load):
    rules = load("federated_rules")
    for question in rules.QUESTIONS.values():
        made = rules.runs(question)
        ids = {experiments(run.table, "x", Path())[0].id for run in made}
        assert len(ids) == len(made) == 5 * len(question.arms)


def test_rules_are_held_against_flower(load, monkeypatch):
    pytest.importorskip("flwr")
    monkeypatch.setattr("gc.collect", lambda: 0)
    cohorts, flower = load("agreement.cohorts"), load("agreement.with_flower")
    for name, (_, compare) in flower.comparisons().items():
        assert cohorts.largest(compare, 2) <= 1e-6, name


def test_the_nodes_in_one_process_are_a_transport(load):
    pytest.importorskip("flwr", reason="the extra `flower` is not installed")
    assert isinstance(load("federation").Direct({}, ExitStack()), Transport)
