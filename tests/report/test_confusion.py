from pathlib import Path

import numpy as np
import pytest

from fedqml.report import write_report
from fedqml.report.confusion import (
    confusion_tables,
    confusions,
    mistakes_tables,
    shares,
    unpredicted,
)
from fedqml.report.read import read_results
from tests.report.builders import experiment
from tests.report.fake_results import labels_of_tests, predictions_csv, settings, write, write_run
from tests.report.html_check import parse
from tests.report.test_csv_files import rows
from tests.report.test_read import change

LABELS = labels_of_tests(2)  # 42 of class 0, 72 of class 1


def wrong_at(*places: int) -> list[int]:
    return [1 - label if place in places else label for place, label in enumerate(LABELS)]


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


def test_counts_are_summed_and_shares_averaged_over_seeds(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, predicted=wrong_at(0, 1, 50))
    write_run(tmp_path, seed=1, predicted=wrong_at(0))
    found = experiment(tmp_path)
    assert confusions(found.arms[0]).tolist() == [[[40, 2], [1, 71]], [[41, 1], [0, 72]]]
    (table,) = confusion_tables(found)
    assert table.head == ("Arm", "Class", "Predicted malignant", "Predicted benign")
    assert [tuple(map(plain, row)) for row in table.rows] == [
        # (40 + 41) / 84 and 3 / 84; 1 / 144
        ("federated", "malignant", "81 (96.43 %)", "3 (3.57 %)"),
        ("federated", "benign", "1 (0.69 %)", "143 (99.31 %)"),
    ]
    assert table.notes == ()


def test_a_share_is_the_mean_of_the_seeds_shares_not_that_of_all_rows() -> None:
    matrices = np.array([[[1, 1], [0, 0]], [[9, 0], [0, 0]]])
    found = shares(matrices)
    assert found[0].tolist() == [0.75, 0.25]  # not 10 / 11
    assert np.isnan(found[1]).all()


def test_a_class_that_was_never_predicted_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, predicted=[1] * len(LABELS))
    (table,) = confusion_tables(experiment(tmp_path))
    assert plain(table.rows[0][2]) == "0 (0.00 %)"
    assert table.notes == ("federated never predicted malignant.",)


def test_many_classes_are_their_most_frequent_confusions(tmp_path: Path) -> None:
    classes = [f"class {number}" for number in range(25)]
    labels = labels_of_tests(25)
    predicted = [7 if label == 3 else 8 if row == 0 else label for row, label in enumerate(labels)]
    write_run(tmp_path, classes=classes, predicted=predicted)
    (table,) = confusion_tables(experiment(tmp_path))
    assert [tuple(map(plain, row)) for row in table.rows] == [
        ("federated", "class 3", "class 7", "3 (100.00 %)"),
        ("federated", "class 0", "class 8", "1 (2.38 %)"),
    ]
    assert "25 classes are in confusion.csv" in table.notes[0]


def test_the_most_confident_mistakes_by_name(tmp_path: Path) -> None:
    names = [f"cat.{row}.jpg" for row in range(114)]
    sure = [0.5 + row / 1000 for row in range(114)]
    write_run(tmp_path, seed=0, predicted=wrong_at(*range(20)), names=names, probability=sure)
    lower = [0.9 if row == 3 else 0.51 for row in range(114)]
    write_run(tmp_path, seed=1, predicted=wrong_at(3, 19), names=names, probability=lower)
    (table,) = mistakes_tables(experiment(tmp_path))
    assert len(table.rows) == 10
    assert table.rows[0] == ("cat.3.jpg", "malignant", "benign", "0.9000", "2 of 2")
    assert table.rows[1] == ("cat.19.jpg", "malignant", "benign", "0.5190", "2 of 2")
    assert table.rows[2] == ("cat.18.jpg", "malignant", "benign", "0.5180", "1 of 2")
    assert "Of 20 test rows that a seed got wrong" in table.notes[0]


def test_rows_without_names_and_arms_without_mistakes_have_no_such_table(tmp_path: Path) -> None:
    write_run(tmp_path / "a", predicted=wrong_at(0))
    assert mistakes_tables(experiment(tmp_path / "a")) == ()
    write_run(tmp_path / "b", predicted=LABELS, names=[str(row) for row in range(114)])
    assert mistakes_tables(experiment(tmp_path / "b")) == ()


def test_a_probability_that_is_no_number_comes_last(tmp_path: Path) -> None:
    names = [f"{row}.jpg" for row in range(114)]
    sure = [float("nan")] + [0.6] * 113
    folder = write_run(tmp_path, predicted=wrong_at(0, 1), names=names, probability=sure)
    content = (folder / "predictions.csv").read_bytes().replace(b",nan", b',""')
    _replace(folder, content)
    (table,) = mistakes_tables(experiment(tmp_path))
    assert [row[0] for row in table.rows] == ["1.jpg", "0.jpg"]


def _replace(folder: Path, content: bytes) -> None:
    from hashlib import sha256

    (folder / "predictions.csv").write_bytes(content)
    change(folder / "summary.json", predictions=sha256(content).hexdigest())


EVIL = [
    "<script>alert(1)</script>.jpg",
    "a|b`c`[d](javascript:e).jpg",
    '=HYPERLINK("http://x")',
    "@SUM(A1)",
    'q"uo,te\r\nd.jpg',
    "'apostrophe",
]


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    names = [EVIL[row % len(EVIL)] + str(row) for row in range(114)]
    write_run(tmp_path / "r", predicted=wrong_at(*range(6)), names=names)
    (run,) = read_results(tmp_path / "r").runs
    assert run.predictions is not None
    assert run.predictions.names == tuple(names)
    page = write_report(tmp_path / "r", tmp_path / "report").read_text("utf-8")
    tree = parse(page)
    assert "<script" not in page
    text = tree.text
    assert all(name in text for name in names[:4])
    assert not list(tree.all("img", "script"))
    markdown = (tmp_path / "report" / "report.md").read_text("utf-8")
    assert "\\<script\\>alert(1)\\</script\\>.jpg0" in markdown
    assert "| a\\|b\\`c\\`\\[d\\](javascript:e).jpg1 |" in markdown


def test_class_names_reach_no_spreadsheet_as_formulas(tmp_path: Path) -> None:
    write_run(tmp_path / "r", label="=1+1", classes=["@a", "-b"], predicted=LABELS)
    write_report(tmp_path / "r", tmp_path / "report")
    found = rows((tmp_path / "report" / "confusion.csv").read_bytes())
    assert (found[1]["arm"], found[1]["class"], found[1]["predicted"]) == ("'=1+1", "'@a", "'-b")
    assert (found[0]["count"], found[0]["mean_share"], found[3]["count"]) == ("42", "1.0", "72")
    assert rows((tmp_path / "report" / "table.csv").read_bytes())[0]["arm"] == "'=1+1"


def test_older_runs_without_predictions_change_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "r")
    found = experiment(tmp_path / "r")
    assert (confusion_tables(found), mistakes_tables(found), unpredicted(found)) == ((), (), "")
    write_report(tmp_path / "r", tmp_path / "report")
    assert not (tmp_path / "report" / "confusion.csv").exists()


def test_an_older_run_beside_newer_ones_is_named(tmp_path: Path) -> None:
    old = write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, predicted=LABELS)
    found = experiment(tmp_path)
    assert plain(confusion_tables(found)[0].rows[0][2]) == "42 (100.00 %)"
    assert f"{old.name} (it was made before they were saved)" in unpredicted(found)


def test_a_model_without_classes_lacks_nothing(tmp_path: Path) -> None:
    change(write_run(tmp_path, seed=0) / "summary.json", predictions=None)
    write_run(tmp_path, seed=1, predicted=LABELS)
    assert unpredicted(experiment(tmp_path)) == ""


def swap_labels(content: bytes) -> bytes:
    return predictions_csv(LABELS[::-1], LABELS)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"a,b\n", "its columns are a, b"),
        (b'"row","name","label","predicted","probability"\n', "each of the 114 test rows once"),
        (predictions_csv(LABELS, LABELS)[:-30], "cannot be read|test rows once"),
        (predictions_csv([0] * 114, LABELS), "other classes than data.json"),
        (predictions_csv(LABELS, [2] * 114), "other classes than data.json"),
        (predictions_csv(LABELS, [-1] * 114), "other classes than data.json"),
        (predictions_csv(LABELS, LABELS).replace(b",0.9", b",x"), "cannot be read"),
        (predictions_csv(LABELS, LABELS).replace(b",1,1,", b",9" + b"0" * 30 + b",1,"), "cannot"),
        (predictions_csv(LABELS, LABELS).replace(b'""', b'"' + b"n" * 200_000 + b'"'), "cannot"),
        (predictions_csv(LABELS, LABELS).replace(b"\n5,", b"\n6,"), "test rows once"),
    ],
)
@pytest.mark.parametrize("forged", [True, False])
def test_damaged_predictions_are_named_and_the_results_still_count(
    tmp_path: Path, content: bytes, reason: str, forged: bool
) -> None:
    import re

    folder = write_run(tmp_path, predicted=LABELS)
    (folder / "predictions.csv").write_bytes(content)
    if forged:
        _replace(folder, content)
    found = experiment(tmp_path)
    assert found.arms[0].final("test_accuracy") == {0: 0.9}
    assert confusion_tables(found) == ()
    wanted = reason if forged else "is not what its checksum in summary.json says"
    assert re.search(wanted, unpredicted(found)), unpredicted(found)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (write_run(tmp_path, predicted=LABELS) / "predictions.csv").unlink()
    assert "predictions.csv is missing" in unpredicted(experiment(tmp_path))


def test_a_checksum_that_is_no_text_is_damage(tmp_path: Path) -> None:
    change(write_run(tmp_path) / "summary.json", predictions=3)
    ((_, sentence),) = read_results(tmp_path).unreadable
    assert "`predictions` is not a text: 3" in sentence


def test_arms_with_other_classes_have_tables_of_their_own(tmp_path: Path) -> None:
    write_run(tmp_path, label="a", predicted=LABELS)
    write_run(
        tmp_path,
        label="b",
        predicted=LABELS,
        classes=["cat", "dog"],
        config=settings(local__epochs=2),
    )
    first, second = confusion_tables(experiment(tmp_path))
    assert (first.head[2], second.head[2]) == ("Predicted malignant", "Predicted cat")


def test_an_unfinished_run_has_no_predictions_whatever_lies_there(tmp_path: Path) -> None:
    write_run(tmp_path, finished=False, predicted=LABELS)
    (run,) = read_results(tmp_path).runs
    assert (run.predictions, run.unpredicted) == (None, "")
    write(tmp_path / "nothing.json", {})
