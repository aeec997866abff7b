"""Every block of the README does what it says."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from fedqml.cli.main import main
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments, library
from fedqml.experiments.rounds import begin, proceed

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_python_blocks_run_and_the_model_learns(capsys):
    namespace = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), namespace)
    history = namespace["history"]
    assert history.column("test_accuracy")[-1] > 0.95
    assert capsys.readouterr().out.startswith(str(history.column("test_accuracy")[-1]))
    # The second block's aggregator, in place of the mean.
    fq = namespace["fq"]
    task = fq.Task(namespace["model"], fq.cross_entropy, namespace["data"])
    strategy = fq.Strategy(server=namespace["median"]())
    assert fq.run(task, fq.local.adam(), strategy, rounds=1, clients_per_round=3).rows[1]


def with_block(number):
    table = tomllib.loads(library()["breast_cancer"].read_text(encoding="utf-8"))
    return table | tomllib.loads(blocks("toml")[number])


def test_the_rules_of_a_file_train_and_the_back_door_and_the_time_are_measured():
    run, *_ = experiments(with_block(0), "readme", Path(), ["run.rounds=2"])
    federation = builder()(run)
    *_, last = proceed(federation, begin(federation))
    assert last.rows[2]["time"] > last.rows[1]["time"] > 0
    assert 0 <= last.rows[2]["test_backdoor_success"] <= 1


def test_the_devices_of_a_file_are_accepted():
    run, *_ = experiments(with_block(1), "readme", Path())
    assert run.config["device"]["noise"]["readout"] == 0.02
    assert run.config["fleet"][0]["device"]["shots"] == 200


def test_an_own_model_takes_at_most_25_lines():
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 25


def test_the_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("console")
    for line in block.splitlines():
        program, *arguments = shlex.split(line.removeprefix("$ "))
        assert program == "fedqml"
        assert main(arguments) == 0, line
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)h]\S*)\)", README))
def test_linked_files_exist(path):
    assert (Path(__file__).parent.parent / path).exists()
