import errno
import io
import json
import os
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
import torch
from safetensors.torch import load_file

from fedqml.core.errors import InputError
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.costs import quantum_layers
from fedqml.experiments.run import run_experiment
from fedqml.experiments.store import Busy, Store
from fedqml.quantum.devices import reference, statevector
from fedqml.report.read import read_results
from tests.experiments.watching import Stop, silent

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 4},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}, "dropout": 0.2},
    "local": {"use": "adam", "lr": 0.02, "batch_size": 64, "keep_state": True},
    "run": {"rounds": 6, "clients_per_round": 2, "checkpoint_every": 2},
}


def experiment(*overrides):
    return experiments(TABLE, "demo", Path(), overrides)[0]


@pytest.fixture(scope="module")
def build():
    return builder()


@pytest.fixture(scope="module")
def whole(build, tmp_path_factory):
    """An uninterrupted run: its folder and its summary."""
    results = tmp_path_factory.mktemp("whole")
    outcome = run_experiment(experiment(), build, results, silent)
    return results / experiment().id, outcome.summary


def test_a_finished_run_has_all_of_it_on_disk(whole):
    folder, summary = whole
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == list(range(7))
    assert rows[0]["train_loss"] is None
    assert rows[-1]["test_loss"] < rows[0]["test_loss"]
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["parameters"] == {"total": 30 * 2 + 2 + 6, "quantum": 6}
    described = json.loads((folder / "experiment.json").read_text())
    assert described["id"] == folder.name
    assert described["arm"] == {"label": "federated", "central": False}
    shares = json.loads((folder / "data.json").read_text())["clients"]
    assert sum(share["examples"] for share in shares) == 455
    weights = load_file(folder / "model.safetensors")
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "1.weight": (2, 30),
        "1.bias": (2,),
        "3.weights": (6,),
    }
    assert (folder / "circuit.svg").read_bytes().startswith(b"<?xml")
    assert not (folder / "checkpoints").exists()


def test_costs_are_counted(whole):
    folder, _ = whole
    row = json.loads((folder / "history.jsonl").read_text().splitlines()[1])
    shares = json.loads((folder / "data.json").read_text())["clients"]
    samples = sum(shares[c]["examples"] for c in row["clients"])
    assert row["samples"] == samples
    assert row["bytes_up"] == row["bytes_down"] == 2 * 68 * 4
    tests = 114
    assert row["circuit_evaluations"] == samples + tests
    assert row["shots"] == 0
    # 4 angles of the encoding and 6 of the ansatz, two shifted executions each, and the value.
    assert row["hardware_evaluations"] == samples * (1 + 2 * 10) + tests


def test_the_seed_decides_which_rows_are_held_out(build):
    tests = [build(experiment(f"run.seeds=[{s}]")).objective.data.data.test[0] for s in (0, 1, 0)]
    assert torch.equal(tests[0], tests[2])
    assert not torch.equal(tests[0], tests[1])


def test_a_second_call_finds_it_done(whole, build):
    folder, summary = whole
    names = sorted(folder.iterdir())
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.suffix}
    outcome = run_experiment(experiment(), build, folder.parent, silent)
    assert outcome.done_before
    assert outcome.summary == summary
    assert sorted(folder.iterdir()) == names
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.suffix}


@pytest.mark.parametrize("round", range(7))
def test_an_interrupted_run_goes_on_to_the_same_bits(whole, build, tmp_path, round):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, tmp_path, Stop(round))
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert outcome.resumed == round
    assert outcome.warnings == ()
    assert outcome.summary["hash"] == whole[1]["hash"]
    assert _lasting(tmp_path / experiment().id) == _lasting(whole[0])


@pytest.mark.parametrize("clients", [1, 3])
@pytest.mark.parametrize("keep_state", ["true", "false"])
def test_an_interrupted_run_in_place_goes_on_to_the_same_bits(build, tmp_path, clients, keep_state):
    run = experiment(
        "engine.use='in_place'",
        f"local.keep_state={keep_state}",
        f"run.clients_per_round={clients}",
    )
    expected = run_experiment(run, build, tmp_path / "whole", silent).summary["hash"]
    with pytest.raises(KeyboardInterrupt):
        run_experiment(run, build, tmp_path, Stop(3))
    outcome = run_experiment(run, build, tmp_path, silent)
    assert outcome.resumed == 3
    assert outcome.warnings == ()
    assert outcome.summary["hash"] == expected
    assert _lasting(tmp_path / run.id) == _lasting(tmp_path / "whole" / run.id)


def test_a_run_that_died_without_a_word_goes_on_from_its_checkpoint(
    whole, build, tmp_path, interrupted
):
    for path in interrupted.glob("000005.*"):  # one that dies saves nothing
        path.unlink()
    history = tmp_path / experiment().id / "history.jsonl"
    history.write_text(history.read_text()[:-20])  # the line that was being written
    leftover = interrupted / ".000005.safetensors.0.tmp"
    leftover.write_bytes(b"half")
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert outcome.resumed == 4
    assert outcome.summary["hash"] == whole[1]["hash"]
    assert _lasting(tmp_path / experiment().id) == _lasting(whole[0])
    assert not list((tmp_path / experiment().id).rglob("*.tmp"))


@pytest.fixture
def interrupted(build, tmp_path):
    """The checkpoints of a run that was stopped after round 5: of rounds 4 and 5."""
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, tmp_path, Stop(5))
    folder = tmp_path / experiment().id / "checkpoints"
    assert sorted(p.name for p in folder.iterdir()) == [
        "000004.json",
        "000004.safetensors",
        "000005.json",
        "000005.safetensors",
    ]
    return folder


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("name", ["000005.safetensors", "000005.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    whole, build, interrupted, name, damage
):
    damage(interrupted / name)
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert outcome.resumed == 4
    if damage is not Path.unlink or name.endswith("safetensors"):
        assert "000005" in outcome.warnings[0]
        assert "damaged" in outcome.warnings[0]
    assert outcome.summary["hash"] == whole[1]["hash"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM, errno.EACCES])
@pytest.mark.parametrize("name", ["000005.safetensors", "000005.json"])
def test_a_checkpoint_that_cannot_be_read_just_now_is_not_given_up(
    whole, build, interrupted, monkeypatch, name, number
):
    files = sorted(interrupted.iterdir())
    fail_to_open(monkeypatch, name, number)
    with pytest.raises(InputError, match=rf"{name} cannot be read: .*{os.strerror(number)}"):
        run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert sorted(interrupted.iterdir()) == files
    monkeypatch.undo()
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert (outcome.resumed, outcome.warnings) == (5, ())
    assert outcome.summary["hash"] == whole[1]["hash"]


def fail_to_open(monkeypatch, name, number):
    real = io.open

    def fail(file, *arguments, **options):
        if Path(str(file)).name == name:
            raise OSError(number, os.strerror(number), str(file))
        return real(file, *arguments, **options)

    monkeypatch.setattr("io.open", fail)


@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_too_many_open_files_damage_no_checkpoint(build, interrupted, free):
    resource = pytest.importorskip("resource", reason="the system has no such limit")
    signature = build(experiment()).signature()
    store = Store(interrupted.parent)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[0]), before[1]))
    held = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(free):
            os.close(held.pop())
        # Loading takes up to three: ours, safetensors' and PyTorch's.
        if free == 3:
            assert store.latest(signature)[0].round == 5
        else:
            refused = r"000005\.safetensors" if free else "checkpoints"
            with pytest.raises(InputError, match=f"{refused} cannot be read"):
                store.latest(signature)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    progress, warnings = store.latest(signature)
    assert (progress.round, warnings) == (5, [])


def test_tensors_without_their_json_are_removed_but_not_those_put_aside(interrupted):
    (interrupted / "000004.json").unlink()
    (interrupted / "000005.json").replace(interrupted / "000005.json.damaged")
    with Store(interrupted.parent).locked():
        left = sorted(path.name for path in interrupted.iterdir())
    assert left == ["000005.json.damaged", "000005.safetensors"]


def test_leftovers_that_cannot_be_removed_are_a_sentence(build, interrupted):
    (interrupted / ".000006.json.0.tmp").mkdir()
    with pytest.raises(InputError, match="cannot be written: "):
        run_experiment(experiment(), build, interrupted.parent.parent, silent)
    (interrupted / ".000006.json.0.tmp").rmdir()
    assert run_experiment(experiment(), build, interrupted.parent.parent, silent).resumed == 5


def test_checkpoints_that_a_finished_run_left_are_removed(whole, build, interrupted, tmp_path):
    shutil.copytree(whole[0], tmp_path / "done" / whole[0].name)
    left = tmp_path / "done" / whole[0].name / "checkpoints"
    shutil.copytree(interrupted, left)
    assert run_experiment(experiment(), build, tmp_path / "done", silent).done_before
    assert not left.exists()


def test_with_every_checkpoint_damaged_it_starts_anew(whole, build, interrupted):
    for path in interrupted.glob("*.safetensors"):
        flip(path)
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert outcome.resumed == 0
    assert len(outcome.warnings) == 2
    assert outcome.summary["hash"] == whole[1]["hash"]


def test_a_run_of_other_data_is_not_continued_nor_counted_as_done(
    whole, build, interrupted, tmp_path, monkeypatch
):
    shutil.copytree(whole[0], tmp_path / "done" / whole[0].name)
    monkeypatch.setattr("fedqml.data.dataset.FederatedData.fingerprint", lambda self: "other")
    for results in (interrupted.parent.parent, tmp_path / "done"):
        with pytest.raises(InputError, match="same settings but other data"):
            run_experiment(experiment(), build, results, silent)


HOLD = """
import sys
from pathlib import Path
from fedqml.experiments.store import Store
with Store(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_cannot_run_one_id(build, tmp_path):
    run = experiment("run.rounds=1")
    command = [sys.executable, "-c", HOLD, str(tmp_path / run.id)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Busy):
            run_experiment(run, build, tmp_path, silent)
        other.kill()  # the system frees the lock of a process that died
    assert not run_experiment(run, build, tmp_path, silent).done_before


@pytest.mark.parametrize("name", ["history.jsonl", "model.safetensors", "summary.json"])
@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_a_finished_run_that_is_damaged_is_named_and_made_anew(
    whole, build, tmp_path, name, damage
):
    shutil.copytree(whole[0], tmp_path / whole[0].name)
    damage(tmp_path / whole[0].name / name)
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert not outcome.done_before
    if (name, damage) != ("summary.json", Path.unlink):  # without it, it was never finished
        assert "damaged" in outcome.warnings[0]
    assert _lasting(tmp_path / whole[0].name) == _lasting(whole[0])


@pytest.mark.parametrize("name", ["history.jsonl", "model.safetensors", "summary.json"])
def test_a_finished_run_that_cannot_be_read_just_now_is_not_made_anew(
    whole, build, tmp_path, monkeypatch, name
):
    shutil.copytree(whole[0], tmp_path / whole[0].name)
    fail_to_open(monkeypatch, name, errno.EIO)
    with pytest.raises(InputError, match=f"{name} cannot be read: .*{os.strerror(errno.EIO)}"):
        run_experiment(experiment(), build, tmp_path, silent)
    monkeypatch.undo()
    assert run_experiment(experiment(), build, tmp_path, silent).done_before


def test_a_run_that_two_experiments_share_belongs_to_both(whole, build, tmp_path):
    shutil.copytree(whole[0], tmp_path / whole[0].name)
    other = replace(experiment(), name="other", title="Other", arm="plain")
    assert run_experiment(other, build, tmp_path, silent).done_before
    renamed = replace(experiment(), title="A better title")
    assert run_experiment(renamed, build, tmp_path, silent).done_before
    runs = read_results(tmp_path).runs
    assert {(run.name, run.title, run.arm) for run in runs} == {
        ("demo", "A better title", "federated"),
        ("other", "Other", "plain"),
    }


def test_whatever_stops_the_rounds_saves_them_first(build, tmp_path):
    def fail(row):
        if row["round"] == 3:
            raise RuntimeError("the watcher broke")

    with pytest.raises(RuntimeError, match="the watcher broke"):
        run_experiment(experiment(), build, tmp_path, fail)
    assert run_experiment(experiment(), build, tmp_path, silent).resumed == 3


def test_a_full_disk_is_a_sentence_and_what_was_saved_is_whole(whole, build, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    def fill(row):
        if row["round"] == 5:
            monkeypatch.setattr("fedqml.core.files.fsync", full)

    with pytest.raises(InputError, match=r"cannot be written: .*No space left"):
        run_experiment(experiment(), build, tmp_path, fill)
    monkeypatch.undo()
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert outcome.resumed == 4
    assert outcome.summary["hash"] == whole[1]["hash"]


def test_damaged_checkpoints_do_not_push_out_new_ones(whole, build, interrupted):
    for path in interrupted.glob("*.safetensors"):
        flip(path)
    results = interrupted.parent.parent
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, results, Stop(3))
    assert run_experiment(experiment(), build, results, silent).resumed == 3


@pytest.mark.parametrize("content", ["null", "5", '"x"', "[]", "{}", "[" * 100_000])
def test_any_content_of_a_checkpoint_is_survived(whole, build, interrupted, content):
    (interrupted / "000005.json").write_text(content)
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert outcome.resumed == 4
    assert "damaged" in outcome.warnings[0]


def test_a_results_folder_that_cannot_be_written_is_named(build, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"The results folder .*file.* cannot be written"):
        run_experiment(experiment(), build, tmp_path / "file", silent)


def test_a_run_that_learns_nothing_says_so(build, tmp_path):
    run = experiment("local.lr=0.0", "run.rounds=1")
    outcome = run_experiment(run, build, tmp_path, silent)
    assert "No weight changed" in outcome.warnings[0]


def test_a_resumed_run_is_told_of_another_version(build, interrupted):
    environment = interrupted.parent / "environment.json"
    content = json.loads(environment.read_text())
    environment.write_text(json.dumps({**content, "torch": "1.0"}))
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert "begun with torch 1.0, and this is" in outcome.warnings[0]


@pytest.mark.parametrize("code", ["0" * 64, 7, None, "none"])
def test_a_resumed_run_is_told_of_other_code(build, interrupted, code):
    environment = interrupted.parent / "environment.json"
    content = json.loads(environment.read_text())
    now = content.pop("code")
    if code != "none":  # as in a folder of before it was kept
        content["code"] = code
    environment.write_text(json.dumps(content))
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    if code in (None, "none"):
        assert outcome.warnings == ()
    else:
        (warning,) = outcome.warnings
        assert f"begun with other code of fedqml ({str(code)[:12]}; this is {now[:12]})" in warning


def test_threads_are_set_for_the_run_and_put_back(build, tmp_path):
    seen = []
    before = torch.get_num_threads()
    run = experiment("run.threads=2", "run.rounds=1")
    run_experiment(run, build, tmp_path, lambda row: seen.append(torch.get_num_threads()))
    assert seen == [2, 2]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["partition.clients=456"], "partition"),
        (
            ["run.clients_per_round=5"],
            "run: Argument `clients_per_round` must be at most the number of clients, 4",
        ),
        (["model.qubits=0"], "model: Argument `qubits`"),
        (["model.qubits=1"], "`qubits` must be at least the number of classes, 2"),
        (["model.dropout=1.0"], r"model: Argument `dropout` must be in \[0, 1\)"),
        (["local.epochs=0"], "local: Argument `epochs` must be at least 1"),
        (["engine.at_once=0"], "engine: Argument `at_once` must be at least 1"),
        (
            ["local={use='personal_layers', layers=['head'], optimiser={use='sgd'}}"],
            "local: Argument `layers` must fit tensors of the model",
        ),
        (["strategy.server=[{use='krum', f=2}]"], "strategy.server: Argument `f` must satisfy"),
        (
            ["strategy.client=[{use='sign_flip', attackers=[4]}]"],
            "strategy.client: Argument `attackers` must name clients from 0 to 3",
        ),
        (["strategy.server=[]"], "must leave one row, as the aggregator"),
        (["strategy.client=[{use='clip', norm=0}]"], "strategy.client: Argument `norm`"),
        (["data.test_fraction=2.0"], "data: Argument `test_fraction`"),
        (
            ["fleet=[{clients='3-4', device={use='reference'}}]"],
            r"fleet.clients names \[4\], but clients are 0 to 3",
        ),
    ],
)
def test_values_out_of_range_are_refused_before_training(build, overrides, message):
    with pytest.raises(InputError, match=message):
        build(experiment(*overrides))


def test_devices_of_the_file_are_those_of_the_circuits(build):
    fleet = "fleet=[{clients='1, 3', device={use='reference'}}]"
    objective = build(experiment(fleet)).objective
    devices = [quantum_layers(objective.of(c).module)[0].device for c in range(4)]
    assert devices == [statevector(), reference(), statevector(), reference()]
    objective = build(experiment("device={use='reference'}")).objective
    assert quantum_layers(objective.module)[0].device == reference()


def _lasting(folder):
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    return rows, (folder / "model.safetensors").read_bytes()
