from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from fedqml.report.ablation import (
    ablation_sentences,
    ablation_table,
    ablations,
    discordant_table,
    missing_baseline,
)
from fedqml.report.further_csv import further_csv
from fedqml.report.statistics import holm, mcnemar
from fedqml.report.summary import summarise
from fedqml.report.tables import results_table
from fedqml.report.verdict import verdicts
from tests.report.builders import experiment
from tests.report.fake_results import labels_of_tests, settings, split, write_run
from tests.report.test_csv_files import rows
from tests.report.test_tables import cells

LABELS = labels_of_tests(2)
BASELINE = {"baseline": "plain"}


def right_except(*wrong: int) -> list[int]:
    return [1 - label if row in wrong else label for row, label in enumerate(LABELS)]


def arm(folder: Path, label: str, accuracies: list[float], start: int = 0, **more: Any) -> None:
    place = sum(map(ord, label))
    for seed, accuracy in enumerate(accuracies, start):
        write_run(
            folder,
            label=label,
            seed=seed,
            accuracy=[0.5, accuracy],
            config=settings(local__batch_size=place),
            labels=BASELINE,
            **more,
        )


PLAIN = [0.90, 0.91, 0.92, 0.90]


def sentence(folder: Path) -> str:
    ((_, text),) = ablation_sentences(experiment(folder))
    return text.replace("\xa0", " ").replace("−", "-")


def test_paired_differences_against_scipy(tmp_path: Path) -> None:
    better, other = [0.95, 0.97, 0.96, 0.95], [0.91, 0.90, 0.93, 0.90]
    for label, values in (("plain", PLAIN), ("better", better), ("other", other)):
        arm(tmp_path, label, values)
    found = {item.arm.label: item for item in ablations(experiment(tmp_path))}
    assert found.keys() == {"better", "other"}
    tests = {name: ttest_rel(v, PLAIN) for name, v in (("better", better), ("other", other))}
    for name, test in tests.items():
        accuracy = found[name].accuracy
        assert accuracy.p == pytest.approx(test.pvalue, rel=1e-9)
        bounds = test.confidence_interval(0.95)
        assert accuracy.estimate.interval == pytest.approx((bounds.low, bounds.high), rel=1e-9)
        # The loss of the fake runs is 1.2 - accuracy.
        assert found[name].loss.p == pytest.approx(test.pvalue, rel=1e-6)
        assert found[name].loss.estimate.mean == pytest.approx(-accuracy.estimate.mean)
    assert found["better"].accuracy.holm == pytest.approx(2 * tests["better"].pvalue)
    assert found["other"].accuracy.holm == pytest.approx(tests["other"].pvalue)


def test_only_common_seeds_are_paired(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "x", [0.93, 0.95, 0.94], start=2)
    (item,) = ablations(experiment(tmp_path))
    assert item.seeds == (2, 3)
    assert item.accuracy.estimate.mean == pytest.approx(np.mean([0.93 - 0.92, 0.95 - 0.90]))


def test_no_difference_is_found_never_equality(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "x", [0.901, 0.909, 0.921, 0.899])
    text = sentence(tmp_path)
    assert text.startswith("No difference was found: +0.00 points, interval -0.18 to +0.18 (4 com")
    assert "p = 1.000, 1.000 after Holm" in text
    assert "equal" not in text


def test_a_difference_is_said_with_its_side(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "x", [0.80, 0.82, 0.81, 0.80])
    assert sentence(tmp_path).startswith("Worse than the baseline: -10.00 points, interval -")


def test_a_difference_that_the_number_of_arms_explains_is_none(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    x = [a + d for a, d in zip(PLAIN, (0.01, 0.012, 0.03, 0.02), strict=True)]
    arm(tmp_path, "x", x)
    arm(tmp_path, "y", [0.901, 0.909, 0.921, 0.899])
    arm(tmp_path, "z", [0.899, 0.911, 0.919, 0.901])
    texts = dict(ablation_sentences(experiment(tmp_path)))
    assert ttest_rel(x, PLAIN).pvalue < 0.05
    assert texts["x"].startswith("Not settled: +1.80 points, interval +0.")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ([0.93], "+3.00 points in 1 common seed: no interval, so chance cannot be told"),
        ([0.90, 0.91, 0.92, 0.90], "+0.00 points: each of 4 common seeds gave the same accuracy."),
        ([0.92, 0.93, 0.94, 0.92], "+2.00 points: each of 4 common seeds gave the same difference"),
    ],
)
def test_too_little_for_a_test(tmp_path: Path, other: list[float], words: str) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "x", other)
    assert sentence(tmp_path).startswith(words)
    (item,) = ablations(experiment(tmp_path))
    assert (item.accuracy.p, item.accuracy.holm) == (None, None)


def test_no_common_seed(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "x", PLAIN, start=10)
    assert sentence(tmp_path) == "Not compared: it has no seed in common with the baseline."
    table = ablation_table(experiment(tmp_path))
    assert table is not None
    assert "Fewer than 2 common seeds give no interval and no test." in table.notes


def test_a_seed_that_was_not_measured(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "x", [0.9, float("nan")])
    assert sentence(tmp_path).startswith("Not compared: a final test accuracy was not measured")


def test_discordant_rows_and_mcnemar(tmp_path: Path) -> None:
    for seed in (0, 1):
        more = {"seed": seed, "labels": BASELINE}
        write_run(tmp_path, label="plain", predicted=right_except(*range(10)), **more)
        wrong = right_except(*range(8, 12)) if seed else right_except(9)
        config = settings(local__epochs=2)
        write_run(tmp_path, label="x", predicted=wrong, config=config, **more)
    (item,) = ablations(experiment(tmp_path))
    # Seed 0: rows 0-8 against none; seed 1: rows 0-7 against rows 10 and 11.
    assert item.discordant is not None
    assert (item.discordant.seeds, item.discordant.ours, item.discordant.theirs) == (2, 17, 2)
    assert item.discordant.p == pytest.approx(mcnemar(9, 0) + mcnemar(8, 2))  # twice their mean
    assert item.discordant.holm == item.discordant.p
    table = discordant_table(experiment(tmp_path))
    assert table is not None
    # 2 / 2^9 and 2 (1 + 10 + 45) / 2^10
    assert table.rows == (("x", "2", "17", "2", "0.113 (0.113)"),)
    assert "McNemar" in table.notes[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ({}, {}, True),  # the same source and seed
        # other settings of the data may mean other rows
        ({"config": settings(data__test_fraction=0.3), "clients": split(3)}, {}, False),
        ({"names": [str(row) for row in range(114)]}, {}, False),
        ({"names": [str(row) for row in range(114)]}, {"names": ["x"] * 114}, False),
        (
            {
                "names": [str(row) for row in range(114)],
                "config": settings(data__standardise=False),
            },
            {"names": [str(row) for row in range(114)]},
            True,  # other features of the same images
        ),
    ],
)
def test_only_the_same_test_rows_are_compared(
    tmp_path: Path, ours: dict[str, Any], theirs: dict[str, Any], same: bool
) -> None:
    common: dict[str, Any] = {"predicted": LABELS, "labels": BASELINE}
    write_run(tmp_path, label="plain", **common, **theirs)
    write_run(tmp_path, label="x", **{**common, "config": settings(local__epochs=2), **ours})
    (item,) = ablations(experiment(tmp_path))
    assert (item.discordant is not None) is same


def test_parameters_are_classical_and_quantum(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "x", PLAIN)
    table = ablation_table(experiment(tmp_path))
    assert table is not None
    assert [row["Parameters (classical + quantum)"] for row in cells(table)] == ["124 + 24"] * 2
    assert table.rows[0][:4] == ("plain", "4", "124 + 24", "baseline")
    assert all(len(row) == len(table.head) == len(table.align) for row in table.rows)
    assert discordant_table(experiment(tmp_path)) is None


def test_without_a_baseline_nothing_is_said(tmp_path: Path) -> None:
    write_run(tmp_path)
    found = experiment(tmp_path)
    assert (ablations(found), ablation_table(found), missing_baseline(found)) == ((), None, "")


def test_a_baseline_that_has_not_finished_is_said(tmp_path: Path) -> None:
    write_run(tmp_path, label="x", labels=BASELINE)
    found = experiment(tmp_path)
    assert ablation_table(found) is None
    assert "No run of the baseline plain has finished" in missing_baseline(found)


def test_a_baseline_alone_has_no_table(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    found = experiment(tmp_path)
    assert (ablation_table(found), missing_baseline(found)) == (None, "")


def test_in_full_precision(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN, predicted=LABELS)
    arm(tmp_path, "x", [0.93, 0.92, 0.95, 0.91], predicted=right_except(0))
    arm(tmp_path, "y", [0.93, 0.92, 0.95, 0.91])
    row, _ = rows(further_csv([experiment(tmp_path)])["ablation.csv"])
    item, _ = ablations(experiment(tmp_path))
    table = discordant_table(experiment(tmp_path))
    assert table is not None
    assert table.notes[1].endswith("test rows: y.")
    assert float(row["test_accuracy_p"]) == item.accuracy.p
    assert float(row["test_accuracy_p_holm"]) == item.accuracy.holm
    assert (row["arm"], row["baseline"], row["common_seeds"]) == ("x", "plain", "4")
    assert (row["only_arm_right"], row["only_baseline_right"]) == ("0", "4")
    assert float(row["mcnemar_p"]) == 1.0


def test_holm_counts_only_what_was_tested() -> None:
    assert holm([None, 0.03, None]) == [None, 0.03, None]


def test_arms_with_a_baseline_are_not_told_that_there_is_no_central_arm(tmp_path: Path) -> None:
    arm(tmp_path, "plain", PLAIN)
    arm(tmp_path, "other", PLAIN)
    found = experiment(tmp_path)
    assert verdicts(found) == ()
    assert "central" not in summarise(found)
    assert "central" not in " ".join(results_table(found).head)
    arm(tmp_path, "central", PLAIN, central=True)
    assert len(verdicts(experiment(tmp_path))) == 2
