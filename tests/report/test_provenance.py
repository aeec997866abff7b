import json
from pathlib import Path

from fedqml.report.provenance import (
    commands,
    differences_table,
    environment_table,
    runs_table,
    settings_tables,
    unfinished_table,
    unreadable_table,
)
from fedqml.report.read import read_results
from tests.report.builders import CENTRAL, experiment
from tests.report.fake_results import settings, write_run


def test_environment_and_commands(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, started="2026-11-22T12:00:00+00:00")
    other = write_run(tmp_path, seed=1, started="2026-11-22T13:00:00+00:00") / "environment.json"
    changed = {**json.loads(other.read_text()), "torch": "2.14.0", "command": "fedqml run again"}
    other.write_text(json.dumps(changed))
    found = experiment(tmp_path)
    table = environment_table(found)
    assert table is not None
    values = dict(table.rows)
    assert values["torch"] == "2.13.0, or 2.14.0"
    assert values["numpy"] == "2.4.6"
    assert values["cores"] == "2"
    assert values["pennylane"] == "not installed"
    assert values["started"] == "2026-11-22T12:00:00+00:00 to 2026-11-22T13:00:00+00:00"
    assert commands(found) == ("fedqml run breast_cancer", "fedqml run again")


def test_no_environment_yet(tmp_path: Path) -> None:
    (write_run(tmp_path, finished=False) / "environment.json").unlink()
    found = experiment(tmp_path)
    assert environment_table(found) is None
    assert commands(found) == ()


def test_settings_and_their_differences(tmp_path: Path) -> None:
    write_run(tmp_path)
    write_run(tmp_path, seed=1, finished=False)
    write_run(tmp_path, **CENTRAL)
    found = experiment(tmp_path)
    tables = dict(settings_tables(found))
    assert list(tables) == ["federated", "central"]
    assert dict(tables["federated"].rows)["strategy.server"] == '[{"use": "mean"}]'
    assert dict(tables["federated"].rows)["strategy.client"] == "[]"
    table = differences_table(found)
    assert table is not None
    assert table.head == ("Setting", "federated", "central")
    assert table.rows == (("partition.use", '"iid"', '"central"'),)


def test_one_arm_has_no_differences(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert differences_table(experiment(tmp_path)) is None


def test_a_setting_that_one_arm_lacks(tmp_path: Path) -> None:
    config = settings(partition__use="central")
    del config["partition"]["clients"]
    write_run(tmp_path)
    write_run(tmp_path, label="central", central=True, config=config)
    table = differences_table(experiment(tmp_path))
    assert table is not None
    assert table.rows[0] == ("partition.clients", "20", "–")


def test_runs_and_repeats(tmp_path: Path) -> None:
    for day, model in (("01", "aa"), ("02", "bb"), ("03", "aa")):
        write_run(tmp_path, started=f"2026-11-{day}T00:00:00+00:00", hash=model * 32)
    table = runs_table(experiment(tmp_path))
    assert table is not None
    assert [row[3] for row in table.rows] == ["aa" * 32, "aa" * 32, "bb" * 32]
    latest = table.rows[0][0]
    assert [row[1] for row in table.rows] == [
        "federated",
        f"repeat of {latest}: the same model",
        f"repeat of {latest}: ANOTHER model",
    ]
    assert len(table.notes) == 1


def test_unfinished_runs_with_their_last_round(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    begun = write_run(tmp_path, seed=1, finished=False)
    new = write_run(tmp_path, seed=2, finished=False)
    (new / "history.jsonl").unlink()
    table = unfinished_table(experiment(tmp_path))
    assert table is not None
    assert table.rows == (
        (begun.name, "federated", "1", "2"),
        (new.name, "federated", "2", "none"),
    )


def test_nothing_unfinished_or_unreadable(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert unfinished_table(experiment(tmp_path)) is None
    assert unreadable_table(read_results(tmp_path)) is None
