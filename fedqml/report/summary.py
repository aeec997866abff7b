"""What an experiment came to, in the words with which its report begins."""

import math

import numpy as np

from fedqml.report.arms import Arm, Experiment
from fedqml.report.difference import Difference, differences
from fedqml.report.formats import POINTS, decimal, listing, metric_name, percent, plural
from fedqml.report.verdict import basis, gap, in_points


def summarise(experiment: Experiment) -> str:
    """Return the result of an experiment in one to three sentences.

    With several federated arms both ends of their range are named, so that the best one cannot
    stand for all.

    Args:
        experiment: its arms.

    Returns:
        The sentences.
    """
    if not experiment.arms:
        return _begun(experiment)
    found = [item for item in differences(experiment) if math.isfinite(item.estimate.mean)]
    if not found:
        return _without_comparison(experiment)
    if len(found) == 1:
        (only,) = found
        ours, theirs = _accuracy(only.arm), _accuracy(only.central)
        return (
            f"Federated training ended at {ours} test accuracy, {gap(_points(only))} central "
            f"training at {theirs} ({basis(only)})."
        )
    return _range(found, experiment.labels.margin)


def _range(found: list[Difference], margin: float) -> str:
    lowest, highest = min(found, key=_points), max(found, key=_points)
    centrals = {item.central.label: item.central for item in found}
    central = "central training"
    if len(centrals) == 1:
        (only,) = centrals.values()
        central += f" ({_accuracy(only)} test accuracy)"
    near = sum(abs(_points(item)) <= margin + 1e-9 for item in found)
    share = f"all {near} lie" if near == len(found) else f"{near} of {len(found)} lie"
    if gap(_points(lowest)) == gap(_points(highest)):
        return (
            f"All {len(found)} federated arms ended {gap(_points(lowest))} {central}. "
            f"On average over seeds, {share} within {in_points(margin)} of central."
        )
    return (
        f"The {len(found)} federated arms ended between {gap(_points(lowest))} and "
        f"{gap(_points(highest))} {central}. Lowest was {_end(lowest)}; highest was "
        f"{_end(highest)}. On average over seeds, {share} within "
        f"{in_points(margin)} of central."
    )


def _end(item: Difference) -> str:
    points = decimal(_points(item), 2, sign=True)
    return f"{item.arm.label} at {_accuracy(item.arm)}, {points} points ({basis(item)})"


def _without_comparison(experiment: Experiment) -> str:
    column = "test_accuracy" if "test_accuracy" in experiment.metrics else "test_loss"
    reached = [f"{arm.label} {_final(arm, column)}" for arm in experiment.arms]
    found = f"Final {metric_name(column)}: {listing(reached)}."
    if experiment.compares_otherwise:
        return found
    missing = (
        "no central arm has finished"
        if not experiment.central
        else "no federated arm has finished"
        if not experiment.federated
        else "no test accuracy was measured in both"
    )
    return f"{found} Federated and central training cannot be compared: {missing}."


def _begun(experiment: Experiment) -> str:
    furthest = max((run.rounds[-1].round for run in experiment.runs if run.rounds), default=0)
    return (
        f"No run has finished: {plural(len(experiment.runs), 'run')} begun, the furthest at round "
        f"{furthest}."
    )


def _points(item: Difference) -> float:
    return item.estimate.mean * POINTS


def _accuracy(arm: Arm) -> str:
    return _final(arm, "test_accuracy")


def _final(arm: Arm, column: str) -> str:
    mean = float(np.mean(list(arm.final(column).values())))
    return percent(mean) if column == "test_accuracy" else decimal(mean)
