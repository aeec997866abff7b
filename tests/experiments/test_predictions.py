import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.predictions import predictions
from fedqml.experiments.rounds import begin, proceed
from fedqml.experiments.run import check, run_experiment
from fedqml.experiments.store import Store
from tests.experiments.watching import Stop, silent

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 4},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}},
    "local": {"use": "adam", "lr": 0.02, "batch_size": 64},
    "run": {"rounds": 3, "clients_per_round": 2, "seeds": [3]},
}


def experiment(*overrides):
    return experiments(TABLE, "demo", Path(), overrides)[0]


def lines(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


@pytest.fixture(scope="module")
def build():
    return builder()


@pytest.fixture(scope="module")
def done(build, tmp_path_factory):
    """A finished run's folder."""
    results = tmp_path_factory.mktemp("done")
    run_experiment(experiment(), build, results, silent)
    return results / experiment().id


@pytest.fixture
def folder(done, tmp_path):
    return Path(shutil.copytree(done, tmp_path / done.name))


@pytest.mark.parametrize(
    "device",
    ["{use='statevector'}", "{use='sampled', shots=3, device={use='statevector'}}"],
)
def test_they_agree_with_the_last_row_and_the_test_rows(build, tmp_path, device, monkeypatch):
    monkeypatch.setattr("fedqml.data.task._EVALUATION_BATCH", 50)  # several parts
    run = experiment(f"device={device}", "run.rounds=1")
    run_experiment(run, build, tmp_path, silent)
    found = lines((tmp_path / run.id / "predictions.csv").read_bytes())
    last = json.loads((tmp_path / run.id / "history.jsonl").read_text().splitlines()[-1])
    right = sum(line["label"] == line["predicted"] for line in found)
    assert right / len(found) == pytest.approx(last["test_accuracy"], abs=1e-12)
    labels = build(run).objective.data.data.test[1].tolist()
    assert [int(line["label"]) for line in found] == labels
    assert [int(line["row"]) for line in found] == list(range(len(labels)))
    assert all(0.5 <= float(line["probability"]) <= 1 for line in found)


def test_probabilities_are_those_of_the_loss(done, build):
    found = lines((done / "predictions.csv").read_bytes())
    right = torch.tensor(
        [
            float(line["probability"])
            if line["label"] == line["predicted"]
            else 1 - float(line["probability"])  # two classes
            for line in found
        ]
    )
    summary = json.loads((done / "summary.json").read_text())
    assert float(-right.log().mean()) == pytest.approx(summary["final"]["test_loss"], rel=1e-5)


def test_names_are_those_of_the_test_rows_and_survive_a_spreadsheet(build):
    ready = build(experiment("run.rounds=1"))
    split = ready.objective.data
    tests = len(split.data.test[1])
    evil = ("=1+1", 'a,"b"\r\nc', "\udcff.jpg", "'x", "test/cat.0.jpg")
    names = tuple(evil[row % 5] for row in range(tests))
    objective = replace(
        ready.objective, data=replace(split, data=replace(split.data, test_names=names))
    )
    content = predictions(replace(ready, objective=objective), begin(ready))
    written = ("'=1+1", 'a,"b"\r\nc', "\\udcff.jpg", "''x", "test/cat.0.jpg")
    found = list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]
    assert [line[1] for line in found] == [written[row % 5] for row in range(tests)]


def test_logits_that_are_no_numbers_have_no_probability(build, monkeypatch):
    ready = build(experiment("run.rounds=1"))
    begun = begin(ready)
    broken = replace(begun, params=torch.full_like(begun.params, torch.nan))
    assert {line["probability"] for line in lines(predictions(ready, broken))} == {""}


def test_a_model_whose_outputs_are_no_classes_has_none(build, monkeypatch):
    ready = build(experiment("run.rounds=1"))
    tests = len(ready.objective.data.data.test[1])
    for shape in ((tests,), (tests, 1), (tests, 3)):
        monkeypatch.setattr(
            "fedqml.experiments.predictions.tested_outputs",
            lambda federation, progress, shape=shape: torch.zeros(shape),
        )
        assert predictions(ready, begin(ready)) is None


def test_a_run_without_them_is_finished_too(build, tmp_path, monkeypatch):
    monkeypatch.setattr("fedqml.experiments.run.predictions", lambda federation, progress: None)
    first = run_experiment(experiment(), build, tmp_path, silent)
    assert first.summary["predictions"] is None
    assert not (tmp_path / experiment().id / "predictions.csv").exists()
    again = run_experiment(experiment(), build, tmp_path, silent)
    assert again.done_before
    assert again.summary == first.summary


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage", [flip, Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])]
)
def test_damaged_ones_are_made_anew_from_the_model_without_training(
    build, done, folder, damage, monkeypatch
):
    damage(folder / "predictions.csv")
    monkeypatch.setattr("fedqml.experiments.run.proceed", None)  # training would fail
    outcome = run_experiment(experiment(), build, folder.parent, silent)
    assert outcome.done_before
    assert "predictions in" in outcome.warnings[0]
    for name in ("predictions.csv", "summary.json"):
        assert (folder / name).read_bytes() == (done / name).read_bytes()
    assert run_experiment(experiment(), build, folder.parent, silent).warnings == ()


def test_a_run_from_before_there_were_any_gets_its_own(build, done, folder, monkeypatch):
    (folder / "predictions.csv").unlink()
    summary = json.loads((folder / "summary.json").read_text())
    del summary["predictions"]
    (folder / "summary.json").write_text(json.dumps(summary))
    assert check(Store(folder), build(experiment()))
    monkeypatch.setattr("fedqml.experiments.run.proceed", None)
    outcome = run_experiment(experiment(), build, folder.parent, silent)
    assert outcome.done_before
    assert outcome.warnings == ()
    for name in ("predictions.csv", "summary.json"):
        assert (folder / name).read_bytes() == (done / name).read_bytes()


@pytest.mark.parametrize("file", ["model.safetensors", "history.jsonl", "predictions.csv", "all"])
def test_a_run_killed_between_its_last_files_goes_on(build, done, tmp_path, monkeypatch, file):
    """Die right after a file was put in place, when all rounds are done and the summary is not."""
    from fedqml.core import files

    write_on = files.replacing

    class Killed(BaseException):
        pass

    def replacing(path):
        if path.name == ("summary.json" if file == "all" else file) and rounds[-1] == 3:
            if file == "all":
                raise Killed
            return _killed_after(write_on(path))
        return write_on(path)

    class _killed_after:
        def __init__(self, manager):
            self.manager = manager

        def __enter__(self):
            return self.manager.__enter__()

        def __exit__(self, *error):
            self.manager.__exit__(*error)
            raise Killed

    rounds = [0]
    for module in ("fedqml.core.files", "fedqml.experiments.store"):
        monkeypatch.setattr(f"{module}.replacing", replacing)
    with pytest.raises(Killed):
        run_experiment(experiment(), build, tmp_path, lambda row: rounds.append(row["round"]))
    monkeypatch.undo()
    assert not (tmp_path / done.name / "summary.json").exists()
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert outcome.resumed == 3
    assert (tmp_path / done.name / "predictions.csv").read_bytes() == (
        done / "predictions.csv"
    ).read_bytes()


def test_an_unfinished_run_has_none(build, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, tmp_path, Stop(2))
    assert not (tmp_path / experiment().id / "predictions.csv").exists()


def test_a_disk_error_on_them_is_a_sentence(build, folder):
    from fedqml.core.errors import InputError

    make_a_folder(folder / "predictions.csv")
    with pytest.raises(InputError, match="cannot be written"):
        run_experiment(experiment(), build, folder.parent, silent)


def test_the_run_goes_on_to_equal_predictions_whether_or_not_it_was_stopped(build, done, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, tmp_path, Stop(1))
    run_experiment(experiment(), build, tmp_path, silent)
    assert (tmp_path / done.name / "predictions.csv").read_bytes() == (
        done / "predictions.csv"
    ).read_bytes()


def test_proceeding_and_predicting_leave_the_callers_generator_alone(build):
    ready = build(experiment("run.rounds=1"))
    (progress,) = proceed(ready, begin(ready))
    before = torch.random.get_rng_state()
    predictions(ready, progress)
    assert torch.equal(before, torch.random.get_rng_state())
