import json
from pathlib import Path
from typing import Any

import pytest

from fedqml.core.errors import InputError
from fedqml.report.read import read_results
from fedqml.report.results import COSTS, Run
from tests.report.fake_results import settings, split, write, write_run


def only_run(results: Path) -> Run:
    found = read_results(results)
    assert found.unreadable == ()
    (run,) = found.runs
    return run


def reason(results: Path) -> str:
    found = read_results(results)
    assert found.runs == ()
    ((_, sentence),) = found.unreadable
    return sentence


def change(path: Path, **changes: Any) -> None:
    write(path, {**json.loads(path.read_text()), **changes})


def test_a_run_is_read_back(tmp_path: Path) -> None:
    folder = write_run(tmp_path, seed=7, accuracy=[0.5, 0.75], clients=split(3, 2, "hospital"))
    run = only_run(tmp_path)
    assert (run.id, run.name, run.seed) == (folder.name, "breast_cancer", 7)
    assert run.config == settings()
    assert run.summary is not None
    assert (run.summary.parameters, run.summary.quantum_parameters) == (148, 24)
    assert [row.round for row in run.rounds] == [0, 1]
    assert run.rounds[1].clients == 5
    assert run.rounds[1].values["test_accuracy"] == 0.75
    assert set(COSTS) <= set(run.rounds[1].values)
    assert run.rounds[0].values["train_loss"] != run.rounds[0].values["train_loss"]
    assert run.data is not None
    assert run.data.clients[2].owner == "hospital 2"
    assert run.data.test_classes == (42, 72)
    assert run.metrics == ("test_accuracy",)
    assert run.circuit_svg is not None
    assert run.circuit_text is not None


def test_other_metrics_come_after_accuracy(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[0.5, 0.6], extra={"test_zeta": [1, 2], "test_alpha": [3, 4]})
    assert only_run(tmp_path).metrics == ("test_accuracy", "test_alpha", "test_zeta")


@pytest.mark.parametrize("kept", [1, 20, 60])
def test_half_a_last_line_is_ignored(tmp_path: Path, kept: int) -> None:
    history = write_run(tmp_path, finished=False) / "history.jsonl"
    lines = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(b"".join(lines[:-1]) + lines[-1][:kept])
    assert [row.round for row in only_run(tmp_path).rounds] == [0, 1]


def test_half_a_letter_at_the_end_is_ignored(tmp_path: Path) -> None:
    history = write_run(tmp_path, finished=False) / "history.jsonl"
    history.write_bytes(history.read_bytes() + b'{"note": "\xc3')
    assert len(only_run(tmp_path).rounds) == 3


def test_half_a_line_in_the_middle_is_damage(tmp_path: Path) -> None:
    history = write_run(tmp_path, finished=False) / "history.jsonl"
    first, *rest = history.read_bytes().splitlines(keepends=True)
    history.write_bytes(first[:30] + b"\n" + b"".join(rest))
    assert reason(tmp_path).startswith("history.jsonl, line 1 is not valid JSON")


def test_what_is_not_a_number_is_missing(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[0.5, None, float("nan")], loss=[1.0, float("inf"), None])
    rows = only_run(tmp_path).rounds
    assert all(row.values["test_accuracy"] != row.values["test_accuracy"] for row in rows[1:])
    assert all(row.values["test_loss"] != row.values["test_loss"] for row in rows[1:])


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    folder = write_run(tmp_path, finished=False)
    for file in ("history.jsonl", "environment.json", "data.json", "circuit.svg", "circuit.txt"):
        (folder / file).unlink()
    run = only_run(tmp_path)
    assert (run.rounds, run.summary, run.data, run.circuit_svg) == ((), None, None, None)


def test_a_summary_that_does_not_say_finished(tmp_path: Path) -> None:
    change(write_run(tmp_path) / "summary.json", status="running")
    assert only_run(tmp_path).summary is None


@pytest.mark.parametrize(
    ("file", "changes", "sentence"),
    [
        ("experiment.json", {"id": "f" * 16}, "says that this is run 'ffffffffffffffff'"),
        ("experiment.json", {"seed": "0"}, "experiment.json: `seed` is not a whole number: '0'."),
        ("experiment.json", {"seed": True}, "`seed` is not a whole number: True."),
        ("experiment.json", {"arm": "central"}, "`arm` is not an object: 'central'."),
        ("experiment.json", {"arm": {"label": "a"}}, "`arm`: `central` is missing."),
        ("experiment.json", {"arm": {"label": "a", "central": 1}}, "`central` is not true or fa"),
        ("experiment.json", {"title": None}, "`title` is not a text: None."),
        ("summary.json", {"rounds": 5}, "says 5 rounds, but history.jsonl ends with round 2."),
        ("summary.json", {"parameters": {}}, "summary.json: `parameters`: `total` is missing."),
        ("data.json", {"clients": {}}, "data.json: `clients` is not a list: {}."),
        ("data.json", {"clients": [3]}, "an entry of `clients` is not an object: 3."),
        ("data.json", {"test_classes": [1]}, "`test_classes` is not a count for each of 2 classes"),
        ("data.json", {"test_classes": [-1, 2]}, "`test_classes` is not a count for each"),
        ("data.json", {"shape": ["30"]}, "`shape` is not a list of whole numbers: ['30']."),
    ],
)
def test_damage_is_named(tmp_path: Path, file: str, changes: dict[str, Any], sentence: str) -> None:
    change(write_run(tmp_path) / file, **changes)
    assert sentence in reason(tmp_path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"round": 3}', "history.jsonl, line 4: `clients` is missing."),
        ("[]", None),
        ('{"round": 1, "clients": [], "refused": []}', "`train_loss` is missing."),
    ],
)
def test_a_last_line_that_is_whole_but_wrong(
    tmp_path: Path, line: str, sentence: str | None
) -> None:
    history = write_run(tmp_path, finished=False) / "history.jsonl"
    history.write_text(history.read_text() + line)
    if sentence is None:
        assert len(only_run(tmp_path).rounds) == 3
    else:
        assert sentence in reason(tmp_path)


@pytest.mark.parametrize("again", [1, 2])
def test_rounds_must_go_up(tmp_path: Path, again: int) -> None:
    history = write_run(tmp_path, finished=False) / "history.jsonl"
    lines = history.read_text().splitlines(keepends=True)
    history.write_text("".join([*lines, lines[again]]))
    assert reason(tmp_path) == f"history.jsonl, line 4: round {again} follows round 2."


@pytest.mark.parametrize("file", ["environment.json", "data.json", "history.jsonl"])
def test_a_finished_run_is_complete(tmp_path: Path, file: str) -> None:
    (write_run(tmp_path) / file).unlink()
    assert file in reason(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"null"])
def test_a_damaged_file_does_not_stop_the_others(tmp_path: Path, content: bytes) -> None:
    good = write_run(tmp_path, seed=0)
    bad = write_run(tmp_path, seed=1)
    (bad / "summary.json").write_bytes(content)
    found = read_results(tmp_path)
    assert [run.id for run in found.runs] == [good.name]
    assert [folder for folder, _ in found.unreadable] == [bad.name]
    assert found.unreadable[0][1].startswith("summary.json is not ")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    (folder / "circuit.svg").unlink()
    (folder / "circuit.svg").mkdir()
    assert reason(tmp_path).startswith("circuit.svg cannot be read: ")


def test_a_run_folder_without_its_experiment(tmp_path: Path) -> None:
    (tmp_path / "0123456789abcdef").mkdir()
    assert reason(tmp_path) == "experiment.json is missing."


def test_other_folders_are_not_runs(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "report").mkdir()
    (tmp_path / "fedcba9876543210").write_text("a file")
    only_run(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`fedqml run <experiment>` makes one, but there is no"):
        read_results(tmp_path / "results")


def test_no_run(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    with pytest.raises(InputError, match=r"at least one run; `fedqml run <experiment>` makes one"):
        read_results(tmp_path)


def test_a_single_run_instead_of_the_folder(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    with pytest.raises(InputError, match="is a single run; give"):
        read_results(folder)
