from pathlib import Path

import pytest

from fedqml.report.summary import summarise
from tests.report.builders import CENTRAL, compare, experiment
from tests.report.fake_results import settings, write_run


def words(folder: Path) -> str:
    return summarise(experiment(folder)).replace("\xa0", " ").replace("−", "-")


def test_one_arm(tmp_path: Path) -> None:
    compare(tmp_path, {0: [0.5, 0.91], 1: [0.5, 0.93]}, {0: [0.5, 0.93], 1: [0.5, 0.94]})
    # differences -2 and -1: -1.5 +- 12.7062 * sqrt(.5) / sqrt(2) = 6.3531
    assert words(tmp_path) == (
        "Federated training ended at 92.00 % test accuracy, 1.50 points below central training at "
        "93.50 % (95 % interval -7.85 to +4.85, paired over 2 seeds)."
    )


def test_the_margin_is_the_experiments(tmp_path: Path) -> None:
    for label, accuracy in (("a", 0.925), ("b", 0.936)):
        config = settings(local__epochs=len(label) + int(1000 * accuracy))
        more = {"labels": {"margin": 0.5}}
        write_run(tmp_path, label=label, config=config, accuracy=[0.5, accuracy], **more)
    write_run(tmp_path, accuracy=[0.5, 0.94], labels={"margin": 0.5}, **CENTRAL)
    assert words(tmp_path).endswith("1 of 2 lie within 0.5 points of central.")


def test_one_seed(tmp_path: Path) -> None:
    compare(tmp_path, {0: [0.5, 0.95]}, {0: [0.5, 0.93]})
    assert words(tmp_path) == (
        "Federated training ended at 95.00 % test accuracy, 2.00 points above central training at "
        "93.00 % (paired over 1 seed, so no interval)."
    )


def test_several_arms_are_named_by_both_ends(tmp_path: Path) -> None:
    for epochs, accuracy in ((1, 0.8), (2, 0.9), (4, 0.94)):
        config = settings(local__epochs=epochs)
        write_run(tmp_path, label=f"epochs = {epochs}", config=config, accuracy=[0.5, accuracy])
    write_run(tmp_path, accuracy=[0.5, 0.93], **CENTRAL)
    text = words(tmp_path)
    assert text.startswith(
        "The 3 federated arms ended between 13.00 points below and 1.00 points above central "
        "training (93.00 % test accuracy). Lowest was epochs = 1 at 80.00 %, -13.00 points"
    )
    assert "highest was epochs = 4 at 94.00 %, +1.00 points" in text
    assert text.endswith("On average over seeds, 1 of 3 lie within 2 points of central.")


def test_several_equal_arms(tmp_path: Path) -> None:
    for epochs in (1, 2):
        config = settings(local__epochs=epochs)
        write_run(tmp_path, label=f"epochs = {epochs}", config=config, accuracy=[0.5, 0.93])
    write_run(tmp_path, accuracy=[0.5, 0.93], **CENTRAL)
    text = words(tmp_path)
    assert text.startswith("All 2 federated arms ended level with central training (93.00 % test")
    assert "all 2 lie within 2 points" in text


@pytest.mark.parametrize("central", [True, False])
def test_nothing_to_compare(tmp_path: Path, central: bool) -> None:
    write_run(tmp_path, accuracy=[0.5, 0.9], **(CENTRAL if central else {}))
    missing = "no federated arm" if central else "no central arm"
    label = "central" if central else "federated"
    assert words(tmp_path) == (
        f"Final test accuracy: {label} 90.00 %. Federated and central training cannot be "
        f"compared: {missing} has finished."
    )


def test_an_accuracy_that_was_not_measured(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[0.5, None])
    write_run(tmp_path, accuracy=[0.5, 0.9], **CENTRAL)
    assert "no test accuracy was measured in both" in words(tmp_path)


def test_nothing_finished(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, finished=False)
    write_run(tmp_path, seed=1, accuracy=[0.5], finished=False)
    assert words(tmp_path) == "No run has finished: 2 runs begun, the furthest at round 2."
