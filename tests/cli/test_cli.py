"""The command line as a user has it: exit codes, what is printed, what is left on disk."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedqml.cli.main import main

FILE = """
data = { use = "breast_cancer" }
partition = { use = "iid", clients = 4 }
model = { use = "dense_vqc", qubits = 2, ansatz = { depth = 1 } }
local = { use = "sgd", lr = 0.5 }
run = { rounds = 3, clients_per_round = 2 }
[arms.central]
partition = { use = "central" }
"run.clients_per_round" = 1
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    handler = signal.getsignal(signal.SIGTERM)
    (tmp_path / "small.toml").write_text(FILE)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)


def run(capsys, *arguments):
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_run_a_second_run_and_the_report(here, capsys):
    code, out, err = run(capsys, "run", "small.toml")
    assert (code, err) == (0, "")
    assert "small: 2 runs, 6 rounds" in out
    assert "Results are in results. To see them: fedqml report results" in out
    code, out, _ = run(capsys, "run", "small.toml")
    assert code == 0
    assert out.count("done before") == 2
    code, out, _ = run(capsys, "report")
    assert (code, out) == (0, "The report is report/index.html\n")
    assert (here / "report" / "index.html").is_file()


def test_json_lines_tell_everything(here, capsys):
    code, out, _ = run(capsys, "run", "small.toml", "--json", "--set", "run.seeds=[3]")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    rounds = ["round"] * 4
    events = [line["event"] for line in lines]
    assert events == ["started", *rounds, "finished", *rounds, "finished", "ended"]
    assert {line["seed"] for line in lines if "seed" in line} == {3}
    assert lines[5]["hash"] != lines[10]["hash"]


def test_quiet_prints_nothing(here, capsys):
    assert run(capsys, "run", "small.toml", "--quiet") == (0, "", "")


def test_a_dry_run_checks_and_lists_but_leaves_nothing(here, capsys):
    code, out, _ = run(capsys, "run", "small.toml", "--dry-run")
    assert code == 0
    assert "4 clients, 2 a round, 3 rounds, 68 weights" in out
    assert sorted(os.listdir(here)) == ["small.toml"]
    code, out, _ = run(capsys, "run", "small.toml", "--dry-run", "--json")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["planned", "planned"]


def test_engine_and_rounds_are_settings(here, capsys):
    arguments = ("--engine", "sequential", "--rounds", "2", "--json", "--dry-run")
    _, out, _ = run(capsys, "run", "small.toml", *arguments)
    config = json.loads(out.splitlines()[0])["config"]
    assert config["engine"]["use"] == "sequential"
    assert config["run"]["rounds"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nothing.toml"], "There is no experiment file nothing.toml."),
        (["run", "brest_cancer"], "Did you mean `breast_cancer`?"),
        (["run", "small.toml", "--set", "local.lrr=1"], "unknown key. Did you mean `lr`?"),
        (["run", "small.toml", "--rounds", "many"], "run.rounds must be a whole number"),
        (["run", "small.toml", "--engine", "fast"], "engine.use: there is no `fast`"),
        (["run", "small.toml", "--set", "data={use='csv', path='x.csv', target='y'}"], "x.csv"),
        (["run", "small.toml", "--results", "small.toml"], "cannot be written"),
        (["report", "nowhere"], "nowhere"),
        (["list", "modls"], "Did you mean `models`?"),
        (["list", "--results", "nowhere"], "there is no folder 'nowhere'"),
        (["list", "--results", "small.toml"], "there is no folder 'small.toml'"),
        (["show", "abc"], "results"),
        (["run", "x" * 5000], "There is no"),
        (["run", "small.toml", "--set", "sweep.x=[1]"], "but not `sweep` or `arms`"),
        (["run", "small.toml", "--set", "local.lr=" + 400 * "9"], "must be a finite number"),
        (["run", "small.toml", "--set", "run.threads=100000"], "`threads` must be at most 256"),
        (["run", "small.toml", "--set", "local.epochs=1000000000000"], "not enough memory"),
        (
            ["run", "small.toml", "--set", "strategy.server=[{use='mean'},{use='mean'}]"],
            "a row for",
        ),
        (["run", "small.toml", "--set", "strategy.client=[{use='mean'}]"], "there is no `mean`"),
        (["new", "small.toml"], "small.toml exists already"),
        (["new", "no/folder.toml"], "cannot be written"),
    ],
)
def test_a_user_s_mistake_is_a_sentence_and_exit_code_2(here, capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert err.startswith("Error: ")
    assert message in err
    assert "Traceback" not in out + err


def test_a_mistake_in_the_last_arm_costs_no_training(here, capsys):
    (here / "small.toml").write_text(FILE + '"model.qubits" = 0\n')
    code, _, err = run(capsys, "run", "small.toml")
    assert code == 2
    assert "qubits" in err
    assert not (here / "results").exists()


def test_before_the_first_run_the_list_says_what_to_run(here, capsys):
    for arguments in (), ("--results", "empty"):
        (here / "empty").mkdir(exist_ok=True)
        code, out, err = run(capsys, "list", *arguments)
        assert (code, out) == (0, "")
        assert "`fedqml run breast_cancer`" in err


def test_list_and_show(here, capsys):
    run(capsys, "run", "small.toml", "--quiet")
    _, out, _ = run(capsys, "list")
    assert [line.split()[1] for line in out.splitlines()] == ["finished"] * 2
    id = out.split()[0]
    code, out, _ = run(capsys, "show", id[:6])
    assert code == 0
    assert f"results/{id}" in out
    assert '"lr": 0.5' in out
    assert "RY(atan x0)" in out
    assert len(out.split("round  train loss")[1].splitlines()) == 1 + 4
    assert run(capsys, "show", "zzz")[0] == 2
    assert run(capsys, "show", "")[0] == 2


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("experiments", "breast_cancer"),
        ("sources", "csv(path"),
        ("models", "dense_vqc(shape"),
        ("aggregators", "mean(weighted"),
        ("devices", "reference()"),
    ],
)
def test_what_can_be_named_is_listed_with_its_settings(here, capsys, kind, name):
    code, out, _ = run(capsys, "list", kind)
    assert code == 0
    assert name in out


def test_doctor_finds_the_machine_well(here, capsys):
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert "self-test       passed" in out
    assert "reference" in out
    assert "statevector     compiled kernels" in out


def test_the_new_experiment_runs_as_it_is(here, capsys):
    assert run(capsys, "new", "mine.toml")[0] == 0
    code, out, _ = run(capsys, "run", "mine.toml", "--dry-run")
    assert code == 0
    assert out.count("clients") == 9


def test_a_user_s_own_code_beside_the_file_is_found(here, capsys):
    (here / "own_model_of_test_cli.py").write_text(
        "import torch\n"
        "def line(shape, classes: int, bias: bool = True):\n"
        "    return torch.nn.Linear(shape[0], classes, bias)\n"
    )
    own = "model={use='own_model_of_test_cli:line', bias=false}"
    code, out, _ = run(capsys, "run", "small.toml", "--dry-run", "--set", own)
    assert code == 0
    assert "60 weights" in out


def command(*arguments):
    return [sys.executable, "-m", "fedqml.cli.main", *arguments]


def wait_for_round(folder: Path, number: int) -> None:
    for _ in range(600):
        histories = list(folder.glob("*/history.jsonl"))
        if any(len(h.read_text().splitlines()) > number for h in histories):
            return
        time.sleep(0.1)
    raise AssertionError("the run did not begin")


LONG = ["run", "small.toml", "--set", "run.rounds=100000", "--set", "run.checkpoint_every=1000"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopping_a_run_saves_its_rounds(here, capsys, stop):
    with subprocess.Popen(command(*LONG), stderr=subprocess.PIPE, text=True) as process:
        wait_for_round(here / "results", 3)
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The rounds done are saved" in err
    assert "Traceback" not in err
    saved = list(here.glob("results/*/checkpoints/*.safetensors"))
    assert len(saved) == 1
    assert int(saved[0].stem) >= 3


def test_a_second_ctrl_c_does_not_cut_the_saving_short(here, capsys):
    with subprocess.Popen(command(*LONG), stderr=subprocess.PIPE, text=True) as process:
        wait_for_round(here / "results", 3)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The rounds done are saved" in err
    history = next(here.glob("results/*/history.jsonl")).read_text().splitlines()
    newest = max(int(p.stem) for p in here.glob("results/*/checkpoints/*.json"))
    assert newest == json.loads(history[-1])["round"]


@pytest.mark.parametrize("how", [["--json"], []])
def test_a_reader_that_goes_away_costs_no_rounds(here, capsys, how):
    # One run a line: in text mode the pipe breaks at the second line, after the first run.
    with subprocess.Popen(
        command("run", "small.toml", "--rounds", "400", *how),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(5 if how else 1):
            process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=60)
    assert process.returncode == 141
    assert "Traceback" not in err
    assert list(here.glob("results/*/checkpoints/*.json")) or list(
        here.glob("results/*/summary.json")
    )


def test_an_arm_that_diverges_is_named_and_the_others_are_trained(here, capsys):
    (here / "own_rule_of_test_cli.py").write_text(
        "from dataclasses import replace\n"
        "import fedqml as fq\n"
        "def blow_up(by: float):\n"
        "    def rule(u, ctx):\n"
        "        return replace(u, delta=u.delta * by**ctx.round)\n"
        "    return fq.stateless(rule)\n"
    )
    (here / "sweep.toml").write_text(
        FILE.partition("[arms")[0].replace("rounds = 3", "rounds = 5")
        + "strategy = { server = [{ use = 'mean' }, "
        "{ use = 'own_rule_of_test_cli:blow_up', by = 1.0 }] }\n"
        + "[arms.far]\nstrategy = { server = [{ use = 'mean' }, "
        "{ use = 'own_rule_of_test_cli:blow_up', by = 1e20 }] }\n"
        + "[arms.near]\n'local.lr' = 0.1\n"
    )
    code, out, err = run(capsys, "run", "sweep.toml")
    assert code == 2
    assert "Error: far, seed 0: In round" in err
    assert "diverged" in err
    assert "near, seed 0" in out
    assert len(list(here.glob("results/*/summary.json"))) == 2


def test_a_title_that_the_terminal_cannot_show_is_no_accident(here):
    (here / "small.toml").write_text('title = "Müller ⟨Z⟩"\n' + FILE)
    result = subprocess.run(
        command("run", "small.toml", "--rounds", "1"),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0
    assert b"M\\xfcller" in result.stdout
    for path in here.glob("results/*/environment.json"):
        assert json.loads(path.read_text())["command"] == "fedqml run small.toml --rounds 1"


def test_an_edited_rule_is_not_taken_for_the_old_one(here, capsys):
    rule = here / "own_edited_of_test_cli.py"
    text = "import fedqml as fq\ndef agg(): return fq.chain(fq.mean(), fq.stateless(f))\n"
    rule.write_text(text + "def f(u, ctx): return u\n")
    arguments = [
        "run",
        "small.toml",
        "--set",
        "strategy.server=[{use='own_edited_of_test_cli:agg'}]",
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    assert subprocess.run(command(*arguments), env=environment, check=False).returncode == 0
    rule.write_text(text + "def f(u, ctx): return fq.replace(u, delta=-u.delta)\n")
    again = subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 2
    assert "the code of your own functions" in again.stderr


def test_the_list_survives_a_run_without_settings(here, capsys):
    run(capsys, "run", "small.toml", "--quiet")
    broken = next(here.glob("results/*/experiment.json"))
    broken.write_text(json.dumps({**json.loads(broken.read_text()), "config": {}}))
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert out.count("finished") == 2


def test_a_run_that_another_process_has_is_left_to_it(here, capsys):
    (here / "small.toml").write_text(FILE.partition("[arms")[0])
    with subprocess.Popen(command(*LONG), stdout=subprocess.DEVNULL) as process:
        try:
            wait_for_round(here / "results", 1)
            code, _, err = run(capsys, *LONG)
        finally:
            process.kill()
    assert code == 3
    assert "is being run by another process" in err


def test_killed_at_any_moment_it_resumes_to_the_same_bits(here, capsys):
    arguments = ["run", "small.toml", "--set", "run.rounds=40", "--set", "run.checkpoint_every=1"]
    assert main([*arguments, "--results", "whole", "--quiet"]) == 0
    for rounds in (2, 11, 25):
        with subprocess.Popen(command(*arguments, "--quiet")) as process:
            wait_for_round(here / "results", rounds)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL  # it was still at work
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert (
        int(out.partition("resumed after round ")[2].split()[0]) >= 24
    )  # a row is written before its checkpoint
    hashes = [
        {p.parent.name: json.loads(p.read_text())["hash"] for p in here.glob(f"{d}/*/summary.json")}
        for d in ("whole", "results")
    ]
    assert len(hashes[0]) == 2
    assert hashes[0] == hashes[1]


def test_help_and_report_do_not_wait_for_pytorch():
    code = (
        "import sys\n"
        "from fedqml.cli.main import parser\n"
        "parser()\n"
        "import fedqml.report, fedqml\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_circuits_of_an_experiment_are_analysed(here, capsys):
    arguments = ["--seeds", "2", "--samples", "20", "-o", "found"]
    code, out, err = run(capsys, "analyse", "small.toml", *arguments)
    assert (code, out, err) == (0, "The analysis is found/analysis.md\n", "")
    names = {path.name for path in (here / "found").iterdir()}
    figures = {f"circuit-1-{n}.{e}" for n in ("slopes", "fidelities") for e in ("svg", "png")}
    assert names == {"analysis.json", "analysis.md", *figures}
    table = json.loads((here / "found" / "analysis.json").read_text())
    assert table["seeds"] == [0, 1]
    (circuit,) = table["circuits"]
    assert circuit["arms"] == ["federated", "central"]
    assert len(circuit["expressibility"]) == 2
    assert len(circuit["gradient_variance"][0]) == circuit["circuit"]["n_qubits"] * 3
    # a last RZ on each of the two qubits commutes with the Z that is measured
    assert circuit["dead_weights"] == {"proved": [2, 5], "silent": [2, 5]}
    page = (here / "found" / "analysis.md").read_text()
    assert "2 of 6: w2, w5" in page
    assert "RY(atan x0)" in page
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.toml"], "There is no experiment file nothing.toml."),
        (["small.toml", "--seeds", "0"], "`--seeds` must be at least 1"),
        (["small.toml", "--samples", "1"], "`--samples` must be at least 2"),
        (["small.toml", "--samples", "5", "-o", "small.toml"], "cannot be written"),
        (["small.toml", "--set", "model={use='plain_of_test_cli:line'}"], "has a circuit"),
    ],
)
def test_what_cannot_be_analysed_is_a_sentence(here, capsys, arguments, message):
    (here / "plain_of_test_cli.py").write_text(
        "import torch\ndef line(shape, classes: int):\n"
        "    return torch.nn.Linear(shape[0], classes)\n"
    )
    code, _, err = run(capsys, "analyse", *arguments)
    assert code == 2
    assert message in err
