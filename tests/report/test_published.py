from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from fedqml.report.arms import Experiment
from fedqml.report.further_csv import further_csv
from fedqml.report.published import (
    costs_beside,
    measured_beside,
    published_costs_table,
    published_table,
)
from fedqml.report.read import read_results
from tests.report.builders import CENTRAL, experiment
from tests.report.fake_results import settings, write_run
from tests.report.test_csv_files import rows
from tests.report.test_read import change
from tests.report.test_tables import cells


def labels(examples: int | None = 2000, **arms: dict[str, float]) -> dict[str, Any]:
    table: dict[str, Any] = {"source": "Chen and Yoo, table III", "arms": arms}
    if examples is not None:
        table["test_examples"] = examples
    return {"published": table}


def reproduction(folder: Path, accuracy: float = 0.93, **theirs: float) -> Experiment:
    row = {"train_loss": 0.4029, "test_loss": 0.4133, "test_accuracy": 0.934, **theirs}
    for seed in (0, 1):
        write_run(
            folder,
            seed=seed,
            accuracy=[0.5, 0.7, accuracy + (0.01 if seed else -0.01)],
            labels=labels(federated=row),
        )
    return experiment(folder)


def test_ours_theirs_and_the_difference(tmp_path: Path) -> None:
    table = published_table(reproduction(tmp_path))
    assert table is not None
    train, loss, accuracy = cells(table)
    assert train["Quantity"] == "training loss"
    assert loss == {
        "Arm": "federated",
        "Quantity": "test loss",
        "Ours": "0.2700 ± 0.0141",  # 1.2 - accuracy, sd .01 * sqrt(2)
        "Published": "0.4133",
        "Difference": "-0.1433",
        "Margin (points)": "–",
        "Within": "–",
    }
    assert accuracy["Ours"] == "93.00 ± 1.41 %"
    assert accuracy["Published"] == "93.40 %"
    assert accuracy["Difference"] == "-0.40 points"
    assert accuracy["Within"] == "within"
    assert table.notes[0] == "Published in: Chen and Yoo, table III."
    assert "interval for 2,000 examples" in table.notes[1]
    assert any("Our test set has 114 examples, theirs 2,000." in note for note in table.notes)


@pytest.mark.parametrize(
    ("accuracy", "word"), [(0.934, True), (0.925, True), (0.9, False), (0.96, False)]
)
def test_the_margin_is_the_binomial_one_of_their_test_set(
    tmp_path: Path, accuracy: float, word: bool
) -> None:
    found = measured_beside(reproduction(tmp_path, accuracy))
    (beside,) = (item for item in found if item.quantity == "test_accuracy")
    wilson = binomtest(1868, 2000).proportion_ci(method="wilson")
    assert beside.margin == pytest.approx((wilson.low - 0.934, wilson.high - 0.934), abs=1e-12)
    assert beside.within is word


def test_without_their_test_examples_there_is_no_margin(tmp_path: Path) -> None:
    write_run(tmp_path, labels=labels(None, federated={"test_accuracy": 0.9}))
    table = published_table(experiment(tmp_path))
    assert table is not None
    (row,) = cells(table)
    assert (row["Margin (points)"], row["Within"], row["Difference"]) == ("–", "–", "+0.00 points")
    assert any("test_examples" in note for note in table.notes)


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_an_accuracy_at_its_end_has_a_margin_too(tmp_path: Path, accuracy: float) -> None:
    write_run(tmp_path, labels=labels(federated={"test_accuracy": accuracy}))
    (beside,) = measured_beside(experiment(tmp_path))
    assert beside.margin is not None
    assert beside.margin[1] - beside.margin[0] == pytest.approx(3.8415 / 2003.8415, rel=1e-3)


def test_what_was_not_measured_is_neither_within_nor_outside(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[0.5, None], labels=labels(federated={"test_accuracy": 0.9}))
    table = published_table(experiment(tmp_path))
    assert table is not None
    (row,) = cells(table)
    assert (row["Ours"], row["Difference"], row["Within"]) == ("n/a", "n/a", "–")


def test_arms_without_a_row_and_rows_without_an_arm_are_named(tmp_path: Path) -> None:
    said = labels(federated={"test_accuracy": 0.9, "round": 100}, other={"test_loss": 0.1})
    write_run(tmp_path, labels=said)
    write_run(tmp_path, labels=said, **CENTRAL)
    table = published_table(experiment(tmp_path))
    assert table is not None
    assert [row[0] for row in table.rows] == ["federated"]
    assert "Nothing was published of central." in table.notes
    assert "Published, but no run of ours has finished: other." in table.notes
    assert "federated: ours after 2 rounds, theirs after 100." in table.notes


def test_costs(tmp_path: Path) -> None:
    said = labels(
        federated={"samples_a_round": 500, "round": 100, "bytes_down": 1e9, "bytes_up": 1e9},
        central={"samples": 1e6},
    )
    write_run(tmp_path, labels=said)
    write_run(tmp_path, labels=said, **CENTRAL)
    table = published_costs_table(experiment(tmp_path))
    assert table is not None
    federated, central = cells(table)
    assert federated == {
        "Arm": "federated",
        "Samples a round": "115 (500)",
        "Samples in all": "230 (50,000)",
        "Traffic a round": "5.9 kB (20.0 MB)",
        "Traffic in all": "11.8 kB (2.0 GB)",
    }
    assert central == {
        "Arm": "central",
        "Samples a round": "115",
        "Samples in all": "230 (1,000,000)",
        "Traffic a round": "–",
        "Traffic in all": "–",
    }


def test_further_costs_where_they_were_published(tmp_path: Path) -> None:
    write_run(tmp_path, labels=labels(federated={"seconds": 7200, "circuit_evaluations": 9}))
    table = published_costs_table(experiment(tmp_path))
    assert table is not None
    (row,) = cells(table)
    assert (row["Time"], row["Circuit evaluations"]) == ("0.75 s (2 h 0 min)", "458 (9)")


def test_nothing_published_no_table(tmp_path: Path) -> None:
    write_run(tmp_path)
    found = experiment(tmp_path)
    assert (published_table(found), published_costs_table(found)) == (None, None)
    assert (measured_beside(found), costs_beside(found)) == ((), ())
    assert "published.csv" not in further_csv([found])


def test_in_full_precision(tmp_path: Path) -> None:
    found = {
        row["quantity"]: row
        for row in rows(further_csv([reproduction(tmp_path, samples_a_round=500)])["published.csv"])
    }
    accuracy, samples = found["test_accuracy"], found["samples_a_round"]
    assert float(accuracy["ours_mean"]) == pytest.approx(0.93, abs=1e-12)
    assert float(accuracy["difference"]) == pytest.approx(-0.004, abs=1e-12)
    assert (accuracy["published"], accuracy["within"], accuracy["seeds"]) == ("0.934", "1", "2")
    assert (found["test_loss"]["margin_low"], found["test_loss"]["within"]) == ("", "")
    assert (samples["ours_mean"], samples["published"]) == ("115.0", "500.0")
    assert (found["bytes"]["published"], found["bytes"]["difference"]) == ("", "")


def test_the_newest_labels_and_the_newest_arm_of_a_name_count(tmp_path: Path) -> None:
    old = labels(federated={"test_accuracy": 0.1})
    new = labels(federated={"test_accuracy": 0.9})
    early, late = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
    write_run(tmp_path / "a", labels=new, started=late, accuracy=[0.5, 0.8])
    write_run(tmp_path / "a", labels=old, started=early, config=settings(local__lr=9))
    (beside,) = measured_beside(experiment(tmp_path / "a"))
    assert (beside.theirs, beside.ours.mean) == (0.9, 0.8)
    assert "lr = 0.02" in beside.arm.label
    # A run that was begun early and labelled anew.
    relabelled = {**new, "labelled": "2026-03-01T00:00:00+00:00"}
    write_run(tmp_path / "b", labels=relabelled, started=early, seed=0)
    write_run(tmp_path / "b", labels={**old, "labelled": late}, started=late, seed=1)
    (beside,) = measured_beside(experiment(tmp_path / "b"))
    assert beside.theirs == 0.9


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"published": 3}, "`published` is not an object: 3."),
        ({"published": {"arms": {}}}, "`published`: `source` is missing."),
        ({"published": {"source": "S", "arms": {"a": {"x": "1"}}}}, "`x` is not a number: '1'."),
        ({"published": {"source": "S", "arms": {"a": {"x": None}}}}, "`x` is not a finite number"),
        ({"published": {"source": "S", "arms": {}, "test_examples": 0}}, "is not above 0: 0."),
        ({"published": {"source": "S", "arms": {"a": {"test_accuracy": 93}}}}, "from 0 to 1: 93.0"),
        ({"baseline": 3}, "`baseline` is not a text: 3."),
        ({"margin": 0}, "`margin` is not above 0: 0.0."),
        ({"margin": None}, "`margin` is not a finite number."),
    ],
)
def test_damaged_labels_are_named(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    change(write_run(tmp_path) / "experiment.json", **changes)
    ((_, reason),) = read_results(tmp_path).unreadable
    assert sentence in reason


def test_a_run_of_two_experiments_has_the_labels_of_each(tmp_path: Path) -> None:
    folder = write_run(tmp_path, labels=labels(federated={"test_loss": 1.0}))
    also = {"name": "b", "title": "B", "arm": {"label": "x", "central": False}, "margin": 0.5}
    change(folder / "experiment.json", also=[also])
    first, second = read_results(tmp_path).runs
    assert first.labels.published is not None
    assert (first.labels.margin, second.labels.margin) == (2.0, 0.5)
    assert second.labels.published is None
