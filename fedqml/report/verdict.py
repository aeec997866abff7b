"""One verdict for each federated arm, and what the record shows where it misses the mark."""

import math
from dataclasses import dataclass
from typing import Literal

from fedqml.report.arms import Arm, Experiment
from fedqml.report.difference import Difference, differences
from fedqml.report.formats import CONFIDENT, POINTS, count, decimal, interval, listing, plural
from fedqml.report.statistics import Estimate, slopes, student

Status = Literal["within", "tentative", "better", "outside", "undecided"]
_STATUS_NAMES: dict[Status, str] = {
    "within": "within {margin} of central",
    "tentative": "within {margin} of central so far",
    "better": "more than {margin} better than central",
    "outside": "not within {margin} of central",
    "undecided": "not compared",
}
_ROUNDING = 1e-9  # .94 - .92 is not quite .02
_LATE_SHARE = 0.2
_LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Verdict:
    """What one federated arm came to: its label, a status, and the sentences that explain it.

    ``margin`` is how many points of test accuracy it may lie from central training.
    """

    arm: str
    status: Status
    text: str
    margin: float

    @property
    def name(self) -> str:
        """Return the status in words."""
        return _STATUS_NAMES[self.status].format(margin=in_points(self.margin))


def in_points(margin: float) -> str:
    """Return a margin in words.

    Example:
        >>> in_points(2.0), in_points(0.5), in_points(1.0)
        ('2 points', '0.5 points', '1 point')
    """
    return f"{margin:g} point{'' if margin == 1 else 's'}"


def verdicts(experiment: Experiment) -> tuple[Verdict, ...]:
    """Judge every federated arm against central training.

    Args:
        experiment: its arms.

    Returns:
        One verdict for each federated arm that has finished runs; none in an experiment that
        compares with a baseline or published values instead of a central arm.
    """
    if experiment.compares_otherwise:
        return ()
    compared = {id(found.arm): found for found in differences(experiment)}
    return tuple(_verdict(arm, compared.get(id(arm)), experiment) for arm in experiment.federated)


def gap(points: float) -> str:
    """Return a difference in words.

    Example:
        >>> gap(-0.584), gap(0.2), gap(0.0)
        ('0.58 points below', '0.20 points above', 'level with')
    """
    rounded = round(points, 2)
    if rounded == 0:
        return "level with"
    return f"{decimal(abs(rounded), 2)} points {'below' if rounded < 0 else 'above'}"


def basis(found: Difference) -> str:
    """Return what a difference rests on: its interval, its seeds and how they were compared."""
    if found.paired:
        seeds = f"paired over {plural(len(found.paired), 'seed')}"
    else:
        ours, theirs = len(found.arm.seeds), len(found.central.seeds)
        seeds = f"not paired, {plural(ours, 'seed')} against {theirs}"
    if found.estimate.interval is None:
        return f"{seeds}, so no interval"
    if found.estimate.flat:
        return f"{seeds}, which show no spread"
    return f"{CONFIDENT} interval {interval(found.estimate, POINTS, 2)}, {seeds}"


def _verdict(arm: Arm, found: Difference | None, experiment: Experiment) -> Verdict:
    margin = experiment.labels.margin
    if found is None:
        lacking = (
            "the experiment has no finished central arm to compare with"
            if not experiment.central
            else "the experiment does not measure test accuracy"
        )
        return Verdict(arm.label, "undecided", f"No comparison: {lacking}.", margin)
    points = found.estimate.mean * POINTS
    if not math.isfinite(points):
        return Verdict(
            arm.label, "undecided", "No comparison: a final test accuracy was not measured.", margin
        )
    opening = f"{gap(points).capitalize()} {found.central.label} ({basis(found)})."
    certainty = _certainty(found, points, margin)
    if points > margin + _ROUNDING:
        return Verdict(arm.label, "better", f"{opening} {certainty}", margin)
    if points >= -margin - _ROUNDING:
        status: Status = "within" if _is_within(found.estimate, margin) else "tentative"
        return Verdict(arm.label, status, f"{opening} {certainty}", margin)
    sentences = [opening, certainty, *_reasons(arm, found.central)]
    return Verdict(arm.label, "outside", " ".join(sentences), margin)


def _certainty(found: Difference, points: float, margin: float) -> str:
    """Return how firmly the interval supports the side of the margin on which the mean lies."""
    if found.estimate.interval is None:
        return "One seed cannot tell how much of this is chance."
    low, high = (bound * POINTS for bound in found.estimate.interval)
    if found.estimate.flat:
        return "Seeds without a spread cannot tell how far another one would lie."
    words = in_points(margin)
    if abs(points) <= margin + _ROUNDING:
        if _is_within(found.estimate, margin):
            return f"The whole interval lies within {words}."
        return f"The interval reaches beyond {words}: more seeds are needed to be sure."
    if high < -margin:
        return f"The whole interval lies more than {words} below."
    if low > margin:
        return f"The whole interval lies more than {words} above."
    return f"The interval does not exclude a difference of less than {words}."


def _is_within(estimate: Estimate, margin: float) -> bool:
    if estimate.interval is None or estimate.flat:
        return False
    return all(abs(bound) * POINTS <= margin + _ROUNDING for bound in estimate.interval)


def _reasons(arm: Arm, central: Arm) -> list[str]:
    """Return the facts in the record that bear on a gap; never a cause that it does not show."""
    improving, trend = _late_trend(arm)
    ours, theirs = arm.total("samples").mean(), central.total("samples").mean()
    reasons = [trend]
    if theirs > 0 and math.isfinite(ours):
        reasons.append(
            f"It was trained on {count(ours)} samples, {_ratio(ours / theirs)} as many as "
            f"central ({count(theirs)})."
        )
    refused = sum(row.refused for run in arm.runs for row in run.rounds)
    if refused:
        reasons.append(f"{plural(refused, 'client update')} were refused over all its seeds.")
    if not (improving or refused or ours < theirs):
        reasons.append("The record shows no reason for the gap.")
    return reasons


def _ratio(ratio: float) -> str:
    if ratio == 1:
        return "exactly"
    return (
        f"{decimal(ratio * POINTS, 1)}\N{NO-BREAK SPACE}%"
        if ratio < 1
        else f"{decimal(ratio, 2)} times"
    )


def _late_trend(arm: Arm) -> tuple[bool, str]:
    """Return whether an arm was still improving over its last rounds, and the sentence for it."""
    rounds, accuracy = arm.curve("test_accuracy")
    _, loss = arm.curve("test_loss")
    late = max(_LEAST_ROUNDS, math.ceil(_LATE_SHARE * (len(rounds) - 1)))
    if len(rounds) <= late:
        return False, f"With {plural(len(rounds) - 1, 'round')} no trend can be seen."
    accuracies = student(slopes(rounds[-late:], accuracy[:, -late:]))
    losses = student(slopes(rounds[-late:], loss[:, -late:]))
    window = f"over the last {late} rounds"
    if not math.isfinite(accuracies.mean + losses.mean):
        return False, f"Not every round was measured {window}, so no trend can be given."
    changes = (
        f"test accuracy changed by {decimal(accuracies.mean * POINTS, 3, sign=True)} points a round"
        f"{_within(accuracies, POINTS, 3)} and test loss by "
        f"{decimal(losses.mean, 5, sign=True)} a round{_within(losses, 1.0, 5)}"
    )
    if accuracies.interval is None or losses.interval is None:
        return False, f"{window.capitalize()} its {changes}; one seed gives no interval for that."
    improving = [
        name
        for name, gained in (
            ("accuracy", accuracies.interval[0] > 0),
            ("loss", losses.interval[1] < 0),
        )
        if gained
    ]
    if not improving:
        return False, f"It was not clearly improving any more: {window} its {changes}."
    opening = f"It was still improving in {listing(improving)} when it stopped"
    return True, f"{opening}: {window} its {changes}."


def _within(trend: Estimate, scale: float, digits: int) -> str:
    return f" ({CONFIDENT} interval {interval(trend, scale, digits)})" if trend.interval else ""
