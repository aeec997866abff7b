"""Every arm minus a baseline arm, with what tells a difference from chance."""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from fedqml.report.arms import Arm, Experiment, named
from fedqml.report.formats import (
    CONFIDENT,
    MISSING,
    POINTS,
    count,
    decimal,
    interval,
    listing,
    p_value,
    plural,
)
from fedqml.report.results import Predictions, Run
from fedqml.report.statistics import (
    CONFIDENCE,
    Estimate,
    holm,
    mcnemar,
    merged_p,
    paired_p,
    student,
)
from fedqml.report.tables import Table


@dataclass(frozen=True)
class Tested:
    """A mean difference over common seeds, the paired test's p-value, and Holm's of all arms."""

    estimate: Estimate
    p: float | None
    holm: float | None = None


@dataclass(frozen=True)
class Discordant:
    """Test rows on which two arms disagree in being right, over the seeds that can be compared.

    Args:
        seeds: how many seeds have predictions of both for the same test rows.
        ours: rows that only the arm got right, summed over these seeds.
        theirs: rows that only the baseline got right.
        p: McNemar's exact test of each seed, merged.
        holm: the same, adjusted for the number of arms.
    """

    seeds: int
    ours: int
    theirs: int
    p: float
    holm: float | None = None


@dataclass(frozen=True)
class Ablation:
    """An arm minus the baseline; ``discordant`` is None where no seed can be compared so."""

    arm: Arm
    seeds: tuple[int, ...]
    accuracy: Tested
    loss: Tested
    discordant: Discordant | None


def ablations(experiment: Experiment) -> tuple[Ablation, ...]:
    """Compare every finished arm with the baseline arm, seed by seed.

    Args:
        experiment: its arms; without a baseline in its file there is nothing to compare.

    Returns:
        One comparison for each other arm; Holm's correction is over these, for accuracy, loss
        and McNemar's test each on its own.
    """
    baseline = _baseline(experiment)
    if baseline is None:
        return ()
    found = [_compare(arm, baseline) for arm in experiment.arms if arm is not baseline]
    accuracies = holm([item.accuracy.p for item in found])
    losses = holm([item.loss.p for item in found])
    rows = holm([item.discordant.p if item.discordant else None for item in found])
    return tuple(
        replace(
            item,
            accuracy=replace(item.accuracy, holm=accuracy),
            loss=replace(item.loss, holm=loss),
            discordant=item.discordant and replace(item.discordant, holm=row),
        )
        for item, accuracy, loss, row in zip(found, accuracies, losses, rows, strict=True)
    )


def _baseline(experiment: Experiment) -> Arm | None:
    name = experiment.labels.baseline
    return None if name is None else named(experiment, name)


def _compare(arm: Arm, baseline: Arm) -> Ablation:
    common = tuple(seed for seed in arm.seeds if seed in baseline.seeds)
    return Ablation(
        arm,
        common,
        _tested(arm, baseline, "test_accuracy", common),
        _tested(arm, baseline, "test_loss", common),
        _discordant(arm, baseline, common),
    )


def _tested(arm: Arm, baseline: Arm, column: str, common: tuple[int, ...]) -> Tested:
    ours, theirs = arm.final(column), baseline.final(column)
    pairs = np.array([ours[seed] - theirs[seed] for seed in common], dtype=float)
    return Tested(_estimate(pairs), paired_p(pairs) if len(pairs) > 1 else None)


def _estimate(pairs: Float[np.ndarray, " seeds"]) -> Estimate:
    return student(pairs) if len(pairs) else Estimate(math.nan, None)


def _discordant(arm: Arm, baseline: Arm, common: tuple[int, ...]) -> Discordant | None:
    ours, theirs = ({run.seed: run for run in each.runs} for each in (arm, baseline))
    counts = [
        found for seed in common if (found := _disagreement(ours[seed], theirs[seed])) is not None
    ]
    if not counts:
        return None
    first, second = (sum(column) for column in zip(*counts, strict=True))
    p = merged_p([mcnemar(*pair) for pair in counts])
    return Discordant(len(counts), first, second, p)


def _disagreement(ours: Run, theirs: Run) -> tuple[int, int] | None:
    """Return how many test rows only ours and only theirs got right; None for other test rows."""
    first, second = ours.predictions, theirs.predictions
    if first is None or second is None or not _same_rows(ours, theirs, first, second):
        return None
    right = first.predicted == first.labels
    others = second.predicted == second.labels
    return int((right & ~others).sum()), int((others & ~right).sum())


def _same_rows(ours: Run, theirs: Run, first: Predictions, second: Predictions) -> bool:
    if not np.array_equal(first.labels, second.labels) or first.names != second.names:
        return False
    # Equal labels alone could be those of other rows: names or the same source settle it.
    if first.names is not None:
        return True
    source = ours.config.get("data")
    if source is not None and source == theirs.config.get("data"):
        return True
    return (
        ours.data is not None
        and theirs.data is not None
        and (ours.data.fingerprint == theirs.data.fingerprint)
    )


def ablation_table(experiment: Experiment) -> Table | None:
    """Return every arm minus the baseline, and what each has for parameters.

    None without a finished baseline or another arm.
    """
    baseline, found = _baseline(experiment), ablations(experiment)
    if baseline is None or not found:
        return None
    rows = [(baseline.label, str(len(baseline.seeds)), _weights(baseline), "baseline", *[""] * 3)]
    for item in found:
        accuracy, loss = item.accuracy, item.loss
        rows.append(
            (
                item.arm.label,
                str(len(item.seeds)),
                _weights(item.arm),
                _with_interval(accuracy.estimate, POINTS, 2),
                _with_holm(accuracy.p, accuracy.holm),
                _with_interval(loss.estimate, 1.0, 4),
                _with_holm(loss.p, loss.holm),
            )
        )
    return Table(
        caption=f"Every arm minus {baseline.label}, after the last round",
        head=(
            *("Arm", "Common seeds", "Parameters (classical + quantum)"),
            *("Test accuracy (points)", "p (Holm)", "Test loss", "p (Holm)"),
        ),
        align="l" + "r" * 6,
        rows=tuple(rows),
        notes=_notes(found),
    )


def discordant_table(experiment: Experiment) -> Table | None:
    """Return on how many test rows the arms and the baseline disagree, with McNemar's test.

    None where no seed has predictions of an arm and the baseline.
    """
    baseline, found = _baseline(experiment), ablations(experiment)
    compared = [(item.arm, item.discordant) for item in found if item.discordant is not None]
    if baseline is None or not compared:
        return None
    notes = [
        "Summed over the seeds. McNemar’s exact test asks of each seed’s two models, not of those "
        "of other seeds, whether they err equally often on such rows, and takes the rows as "
        "independent. The seeds’ p-values are merged into twice their mean, which holds however "
        "they depend on each other (Vovk and Wang), as those of seeds that share test rows do; in "
        "parentheses adjusted for the number of arms (Holm)."
    ]
    missing = [item.arm.label for item in found if item.discordant is None]
    if missing:
        notes.append(
            f"Left out, as no seed has predictions of both that are known to be of the same test "
            f"rows: {listing(missing)}."
        )
    return Table(
        caption=f"Test rows that only one of the arm and {baseline.label} gets right",
        head=("Arm", "Seeds", "Only the arm", "Only the baseline", "McNemar’s p (Holm)"),
        align="lrrrr",
        rows=tuple(
            (
                arm.label,
                str(rows.seeds),
                count(rows.ours),
                count(rows.theirs),
                _with_holm(rows.p, rows.holm),
            )
            for arm, rows in compared
        ),
        notes=tuple(notes),
    )


def ablation_sentences(experiment: Experiment) -> tuple[tuple[str, str], ...]:
    """Return for each arm its label and what the comparison with the baseline shows."""
    return tuple((item.arm.label, _sentence(item)) for item in ablations(experiment))


def missing_baseline(experiment: Experiment) -> str:
    """Return a sentence where the file names a baseline that has not finished, or nothing."""
    name = experiment.labels.baseline
    if name is None or _baseline(experiment) is not None or not experiment.arms:
        return ""
    return f"No run of the baseline {name} has finished, so no arm is compared with it."


def _sentence(item: Ablation) -> str:
    estimate, p, adjusted = item.accuracy.estimate, item.accuracy.p, item.accuracy.holm
    seeds = plural(len(item.seeds), "common seed")
    if not item.seeds:
        return "Not compared: it has no seed in common with the baseline."
    if not math.isfinite(estimate.mean):
        return "Not compared: a final test accuracy was not measured in every common seed."
    points = decimal(estimate.mean * POINTS, 2, sign=True)
    if estimate.interval is None:
        return f"{points} points in {seeds}: no interval, so chance cannot be told from an effect."
    if p is None or adjusted is None:
        every = "the same difference" if round(estimate.mean, 9) else "the same accuracy"
        return (
            f"{points} points: each of {seeds} gave {every}. Without a spread there is no test; "
            "it does not show how another seed would come out."
        )
    low, high = (bound for bound in estimate.interval)
    bounds = f"{points} points, interval {interval(estimate, POINTS, 2)}"
    tests = f"p = {p_value(p)}, {p_value(adjusted)} after Holm".replace("= <", "< ")
    if low <= 0 <= high:
        return f"No difference was found: {bounds} ({seeds}, {tests})."
    if adjusted >= 1 - CONFIDENCE:
        return (
            f"Not settled: {bounds} excludes 0, but among so many arms chance may do this "
            f"({seeds}, {tests})."
        )
    side = "Better" if estimate.mean > 0 else "Worse"
    return f"{side} than the baseline: {bounds} ({seeds}, {tests})."


def _notes(found: tuple[Ablation, ...]) -> tuple[str, ...]:
    notes = [
        f"In parentheses: {CONFIDENT} interval of the mean difference over the common seeds "
        "(Student’s t, paired; not adjusted for the number of arms). p: paired t-test, in "
        "parentheses adjusted for the number of arms (Holm), for each quantity on its own. All "
        "take the differences as independent draws from one normal distribution, which few seeds "
        "cannot check.",
        "Equal seeds mean the same split into training and test rows and, in arms with the same "
        "partition and clients a round, the same shares and the same clients drawn each round: "
        "what both arms share cancels out. Where a seed also chooses the test rows, the training "
        "rows of two seeds overlap, and the interval is somewhat too narrow; where it does not, "
        "the seeds say nothing of other test rows.",
    ]
    if any(len(item.seeds) < 2 for item in found):
        notes.append("Fewer than 2 common seeds give no interval and no test.")
    return tuple(notes)


def _weights(arm: Arm) -> str:
    summary = arm.runs[0].summary
    if summary is None:
        return MISSING
    quantum = summary.quantum_parameters
    return f"{count(summary.parameters - quantum)} + {count(quantum)}"


def _with_interval(estimate: Estimate, scale: float, digits: int) -> str:
    mean = decimal(estimate.mean * scale, digits, sign=True)
    if not math.isfinite(estimate.mean):
        return mean
    bounds = "no spread" if estimate.flat else interval(estimate, scale, digits)
    return f"{mean} ({bounds or 'no interval'})"


def _with_holm(p: float | None, adjusted: float | None) -> str:
    return p_value(p) if p is None else f"{p_value(p)} ({p_value(adjusted)})"
