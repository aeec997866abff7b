"""The benchmark against other libraries; of those only files are read, most are not installed."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
FILES = sorted(FOLDER.glob("rivals/steps/[!_]*.py")) + sorted(FOLDER.glob("rivals/rounds/[!_]*.py"))


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))

    def import_(name: str) -> ModuleType:
        return importlib.import_module(f"rivals.{name}")

    return import_


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_says_what_it_is_and_makes_a_step_of_a_problem(file):
    body = ast.parse(file.read_text(encoding="utf-8")).body
    assigned = [node.targets[0].id for node in body if isinstance(node, ast.Assign)]
    assert assigned[0] == "ABOUT"
    public = [node for node in body if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in public] == [file.stem]
    assert [argument.arg for argument in public[0].args.args] == ["problem"]
    assert ast.get_docstring(public[0])


@pytest.mark.parametrize("clients", [1, 2])
def test_a_step_of_fedqml_is_what_is_expected(load, clients):
    problem = load("circuit_problem").CircuitProblem(3, 2, clients, batch=2)
    values = load("steps.fedqml_layer").fedqml_layer(problem)()
    assert load("expected").deviation(problem, values) < 1e-12
    with pytest.raises(load("process").Failed, match="wrong"):
        load("expected").deviation(problem, (values[0] + 1e-3, *values[1:]))


def test_a_round_of_fedqml_is_what_is_expected(load):
    problem = load("round_problem").RoundProblem(clients=2, examples=5, batch=2)
    weights = load("rounds.fedqml_engine").fedqml_engine(problem)()
    assert load("expected").deviation(problem, weights) < 1e-6


def test_a_problem_is_cut_to_whole_clients_or_to_examples_of_one(load):
    problem = load("circuit_problem").CircuitProblem(4, 2, clients=5, batch=32)
    parts = [problem.part(rows) for rows in (1, 40, 64, 1000)]
    assert [(p.clients, p.batch) for p in parts] == [(1, 1), (1, 32), (2, 32), (5, 32)]
