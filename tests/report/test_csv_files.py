import csv
import io
from pathlib import Path

import numpy as np
import pytest

from fedqml.report.csv_files import history_csv, runs_csv, table_csv
from tests.report.builders import CENTRAL, compare, experiment
from tests.report.fake_results import settings, write_run


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_an_arm_a_row_in_full_precision(tmp_path: Path) -> None:
    third, seventh = 1 / 3, 1 / 7
    found = compare(tmp_path, {0: [0.5, third], 1: [0.5, seventh]}, {0: [0.5, 0.9], 1: [0.5, 0.9]})
    federated, central = rows(table_csv([found]))
    values = np.array([third, seventh])
    assert float(federated["test_accuracy_mean"]) == values.mean()
    assert float(federated["test_accuracy_sd"]) == values.std(ddof=1)
    assert float(federated["test_accuracy_difference"]) == pytest.approx((values - 0.9).mean())
    assert (
        float(federated["test_accuracy_difference_low"])
        < float(federated["test_accuracy_difference"])
        < float(federated["test_accuracy_difference_high"])
    )
    assert federated["compared_with"] == "central"
    assert (federated["seeds"], federated["paired_seeds"], federated["rounds"]) == ("2", "2", "1")
    assert float(federated["samples_mean"]) == 115
    assert (central["central"], central["test_accuracy_difference"]) == ("1", "")


def test_a_run_a_row(tmp_path: Path) -> None:
    old = write_run(tmp_path, started="2026-01-01T00:00:00+00:00")
    new = write_run(tmp_path, started="2026-01-02T00:00:00+00:00", hash="ab" * 32)
    begun = write_run(tmp_path, seed=4, finished=False)
    (begun / "history.jsonl").unlink()
    found = {row["id"]: row for row in rows(runs_csv([experiment(tmp_path)]))}
    assert found.keys() == {old.name, new.name, begun.name}
    assert found[old.name]["repeated_by"] == new.name
    assert found[new.name]["repeated_by"] == ""
    assert found[new.name]["model_sha256"] == "ab" * 32
    assert found[new.name]["samples"] == "230"
    assert (found[begun.name]["finished"], found[begun.name]["rounds"]) == ("0", "")
    assert found[begun.name]["test_accuracy"] == ""


def test_a_value_a_row(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[0.5, None])
    found = rows(history_csv([experiment(tmp_path)]))
    assert len(found) == 2 * (3 + 7 + 2)  # metrics, costs, clients and refusals, two rounds
    values = {(row["round"], row["quantity"]): row["value"] for row in found}
    assert values["0", "test_accuracy"] == "0.5"
    assert values["1", "test_accuracy"] == ""
    assert values["1", "bytes_up"] == "2960"


def test_names_with_commas_and_quotes_survive(tmp_path: Path) -> None:
    write_run(tmp_path, label='a, "b"\nc')
    assert rows(table_csv([experiment(tmp_path)]))[0]["arm"] == 'a, "b"\nc'


def test_experiments_with_different_metrics_share_the_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "a", extra={"test_f1": [0.0, 0.1, 0.2]})
    write_run(tmp_path / "b")
    found = rows(table_csv([experiment(tmp_path / "a"), experiment(tmp_path / "b")]))
    assert [row["test_f1_mean"] for row in found] == ["0.2", ""]


def test_nothing_finished(tmp_path: Path) -> None:
    write_run(tmp_path, finished=False)
    assert table_csv([experiment(tmp_path)]) == b""


def test_a_sweep(tmp_path: Path) -> None:
    for epochs in (1, 2):
        config = settings(local__epochs=epochs)
        write_run(tmp_path, label=f"epochs = {epochs}", config=config)
    write_run(tmp_path, **CENTRAL)
    labels = [row["arm"] for row in rows(table_csv([experiment(tmp_path)]))]
    assert labels == ["epochs = 1", "epochs = 2", "central"]
