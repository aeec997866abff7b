from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedqml.report.verdict import Verdict, verdicts
from tests.report.builders import CENTRAL, compare, experiment
from tests.report.fake_results import write_run


def judge(
    folder: Path, federated: list[float], central: list[float], rounds: int = 2, **more: Any
) -> Verdict:
    """Return the verdict on final accuracies by seed, at once reached and then held."""
    (verdict,) = verdicts(
        compare(
            folder,
            {seed: [0.5] + [a] * rounds for seed, a in enumerate(federated)},
            {seed: [0.5] + [a] * rounds for seed, a in enumerate(central)},
            **more,
        )
    )
    return verdict


@pytest.mark.parametrize(
    ("federated", "central", "status", "words"),
    [
        ([0.93, 0.94, 0.95], [0.931, 0.942, 0.949], "within", "The whole interval lies within 2"),
        ([0.93, 0.99, 0.90], [0.94, 0.95, 0.96], "tentative", "more seeds are needed to be sure"),
        ([0.94], [0.95], "tentative", "One seed cannot tell how much of this is chance."),
        ([0.80, 0.81, 0.82], [0.95, 0.97, 0.96], "outside", "lies more than 2 points below."),
        ([0.80, 0.99, 0.90], [0.95, 0.97, 0.96], "outside", "not exclude a difference of less"),
        ([0.95, 0.97, 0.96], [0.80, 0.81, 0.82], "better", "lies more than 2 points above."),
        ([0.95, 0.97, 0.96], [0.80, 0.99, 0.90], "better", "not exclude a difference of less"),
        ([0.92, 0.92], [0.94, 0.94], "tentative", "2 seeds, which show no spread). Seeds without"),
        ([0.94, 0.94], [0.92, 0.92], "tentative", "2 seeds, which show no spread). Seeds without"),
        ([0.80, 0.80], [0.92, 0.92], "outside", "2 seeds, which show no spread). Seeds without"),
    ],
)
def test_statuses(
    tmp_path: Path, federated: list[float], central: list[float], status: str, words: str
) -> None:
    verdict = judge(tmp_path, federated, central)
    assert verdict.status == status
    assert words in verdict.text


def test_the_margin_is_the_experiments(tmp_path: Path) -> None:
    near, wide = {"margin": 0.5}, {"margin": 1}
    for name, labels, said in (
        ("b", near, "not within 0.5 points of central"),
        ("c", wide, "within 1 point of central so far"),
    ):
        write_run(tmp_path / name, accuracy=[0.5, 0.93], labels=labels)
        write_run(tmp_path / name, accuracy=[0.5, 0.94], labels=labels, **CENTRAL)
        (verdict,) = verdicts(experiment(tmp_path / name))
        assert verdict.name == said


def test_the_whole_interval_is_held_against_the_margin(tmp_path: Path) -> None:
    # differences -0.1, 0, 0.1 points: 0 +- 4.303 * 0.1 / sqrt(3) = 0.248
    for margin, status in ((0.3, "within"), (0.2, "tentative")):
        for seed, accuracy in enumerate((0.939, 0.94, 0.941)):
            more = {"seed": seed, "labels": {"margin": margin}}
            write_run(tmp_path / status, accuracy=[0.5, accuracy], **more)
            write_run(tmp_path / status, accuracy=[0.5, 0.94], **more, **CENTRAL)
        (verdict,) = verdicts(experiment(tmp_path / status))
        assert verdict.status == status
        assert f"{margin} points" in verdict.text


def test_two_points_exactly_are_within(tmp_path: Path) -> None:
    # .94 - .92 is .019999..., .92 - .9 is .020000...2
    assert judge(tmp_path / "a", [0.92], [0.94]).status == "tentative"
    assert judge(tmp_path / "b", [0.90], [0.92]).status == "tentative"
    assert judge(tmp_path / "c", [0.8999], [0.92]).status == "outside"


def test_level(tmp_path: Path) -> None:
    assert judge(tmp_path, [0.9], [0.9]).text.startswith("Level with central (paired over 1 seed")


def test_still_improving_is_said_with_its_slope(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # +0.4 points a round in the last 10 of 50 rounds, and the loss falls as fast as it rises
    climb = np.r_[np.full(41, 0.6), 0.6 + 0.004 * np.arange(1, 11)]
    federated = {s: list(climb + 0.0005 * rng.standard_normal(51)) for s in range(3)}
    (verdict,) = verdicts(compare(tmp_path, federated, dict.fromkeys(range(3), [0.95] * 51)))
    assert verdict.status == "outside"
    assert "It was still improving in accuracy and loss when it stopped" in verdict.text
    assert "over the last 10 rounds its test accuracy changed by +0.4" in verdict.text
    assert "and test loss by −0.00" in verdict.text
    assert "no reason" not in verdict.text


def test_no_longer_improving_is_not_called_improving(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    federated = {s: list(0.8 + 0.01 * rng.standard_normal(31)) for s in range(3)}
    verdict = verdicts(compare(tmp_path, federated, dict.fromkeys(range(3), [0.95] * 31)))[0]
    assert "It was not clearly improving any more: over the last 6 rounds" in verdict.text
    assert verdict.text.endswith("The record shows no reason for the gap.")


def test_getting_worse_is_not_improving(tmp_path: Path) -> None:
    falling = list(0.8 - 0.004 * np.arange(31))
    verdict = verdicts(
        compare(tmp_path, {0: falling, 1: falling}, {0: [0.95] * 31, 1: [0.95] * 31})
    )[0]
    assert "not clearly improving" in verdict.text


def test_one_seed_gives_a_slope_but_no_judgement_of_it(tmp_path: Path) -> None:
    verdict = judge(tmp_path, [0.8], [0.9], rounds=20)
    assert "Over the last 4 rounds its test accuracy changed by +0.000 points" in verdict.text
    assert "one seed gives no interval for that" in verdict.text


def test_too_few_rounds_for_a_trend(tmp_path: Path) -> None:
    assert "With 2 rounds no trend can be seen." in judge(tmp_path, [0.8], [0.9]).text


def test_samples_are_compared(tmp_path: Path) -> None:
    text = judge(tmp_path / "fewer", [0.8] * 2, [0.9] * 2, samples=23).text.replace("\xa0", " ")
    assert "It was trained on 46 samples, 20.0 % as many as central (230)." in text
    assert "no reason" not in text
    text = judge(tmp_path / "more", [0.8] * 2, [0.9] * 2, samples=230).text
    assert "It was trained on 460 samples, 2.00 times as many as central (230)." in text
    assert "no reason" in text
    text = judge(tmp_path / "equal", [0.8] * 2, [0.9] * 2).text
    assert "exactly as many as central (230)" in text


def test_refused_updates_are_counted(tmp_path: Path) -> None:
    text = judge(tmp_path, [0.8] * 3, [0.9] * 3, refused=1).text
    assert "3 client updates were refused over all its seeds." in text
    assert "no reason" not in text


def test_a_round_that_was_not_measured(tmp_path: Path) -> None:
    holes: list[Any] = [0.5] * 8 + [None, 0.8, 0.8]
    write_run(tmp_path, accuracy=holes)
    write_run(tmp_path, accuracy=[0.9] * 11, **CENTRAL)
    (verdict,) = verdicts(experiment(tmp_path))
    assert "Not every round was measured over the last 3 rounds" in verdict.text


def test_a_final_accuracy_that_was_not_measured(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[0.5, None])
    write_run(tmp_path, accuracy=[0.5, 0.9], **CENTRAL)
    (verdict,) = verdicts(experiment(tmp_path))
    assert verdict.status == "undecided"
    assert verdict.text == "No comparison: a final test accuracy was not measured."


def test_no_central_arm(tmp_path: Path) -> None:
    write_run(tmp_path)
    write_run(tmp_path, finished=False, **CENTRAL)
    (verdict,) = verdicts(experiment(tmp_path))
    assert verdict.status == "undecided"
    assert "no finished central arm" in verdict.text


def test_central_arms_are_not_judged(tmp_path: Path) -> None:
    write_run(tmp_path, **CENTRAL)
    assert verdicts(experiment(tmp_path)) == ()
