"""Federated against central: the difference of the final test accuracies and its interval."""

from dataclasses import dataclass

import numpy as np

from fedqml.report.arms import Arm, Experiment, reference
from fedqml.report.statistics import Estimate, student, welch


@dataclass(frozen=True)
class Difference:
    """A federated arm minus the central arm that it is compared with.

    Args:
        arm: the federated arm.
        central: the central arm.
        estimate: the difference of the final test accuracies, as a fraction.
        paired: the seeds that both have, if the differences were taken seed by seed; empty if
            the two means were compared instead.
    """

    arm: Arm
    central: Arm
    estimate: Estimate
    paired: tuple[int, ...]


def differences(experiment: Experiment) -> tuple[Difference, ...]:
    """Compare every federated arm with its central arm.

    Equal seeds mean equal data and equal first models, so their differences are taken seed by
    seed where at least two seeds are common, or where an arm has no other seed; otherwise the
    means over all seeds are compared.

    Args:
        experiment: its arms.

    Returns:
        One difference for each federated arm; none without a central arm or without accuracies.
    """
    if "test_accuracy" not in experiment.metrics:
        return ()
    found = ((arm, reference(arm, experiment)) for arm in experiment.federated)
    return tuple(_subtract(arm, central) for arm, central in found if central is not None)


def _subtract(arm: Arm, central: Arm) -> Difference:
    ours, theirs = arm.final("test_accuracy"), central.final("test_accuracy")
    common = tuple(seed for seed in arm.seeds if seed in theirs)
    if len(common) > 1 or (common and min(len(ours), len(theirs)) == 1):
        pairs = np.array([ours[seed] - theirs[seed] for seed in common])
        return Difference(arm, central, student(pairs), common)
    means = welch(np.array(list(ours.values())), np.array(list(theirs.values())))
    return Difference(arm, central, means, ())
