"""What the final models took for what: confusion matrices, and the surest of their mistakes."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from fedqml.report.arms import Arm, Experiment
from fedqml.report.formats import MISSING, count, decimal, listing, percent, plural
from fedqml.report.results import Run
from fedqml.report.tables import Table

_MOST_CLASSES = 20
_MOST_MISTAKES = 10


def confusions(arm: Arm) -> Int[np.ndarray, "seeds classes classes"]:
    """Return the test rows of an arm by class (rows) and predicted class, a matrix a seed."""
    matrices = []
    for run in _predicted(arm):
        assert run.predictions is not None, "only runs with predictions are picked"
        matrix = np.zeros((len(_classes(run)),) * 2, dtype=int)
        np.add.at(matrix, (run.predictions.labels, run.predictions.predicted), 1)
        matrices.append(matrix)
    none = np.zeros((0, 0, 0), dtype=int)
    return np.array(matrices) if matrices else none


def class_names(arm: Arm) -> tuple[str, ...]:
    """Return the classes of ``confusions``; none for an arm without predictions."""
    return next((_classes(run) for run in _predicted(arm)), ())


def shares(
    matrices: Int[np.ndarray, "seeds classes classes"],
) -> Float[np.ndarray, "classes classes"]:
    """Return the mean over seeds of each class's shares of predicted classes.

    NaN for a class that no seed's test rows have.

    Example:
        >>> shares(np.array([[[3, 1], [0, 0]], [[4, 0], [0, 2]]]))
        array([[0.875, 0.125],
               [0.   , 1.   ]])
    """
    rows = matrices.sum(2, keepdims=True)
    tested = (rows > 0).sum(0)
    total = (matrices / np.maximum(rows, 1)).sum(0)
    return np.where(tested > 0, total / np.maximum(tested, 1), np.nan)


def confusion_tables(experiment: Experiment) -> tuple[Table, ...]:
    """Return the confusion matrices of all arms, a table for each different set of classes."""
    groups: dict[tuple[str, ...], list[Arm]] = defaultdict(list)
    for arm in experiment.arms:
        for run in _predicted(arm)[:1]:
            groups[_classes(run)].append(arm)
    return tuple(
        (_matrices if len(classes) <= _MOST_CLASSES else _most_frequent)(classes, arms)
        for classes, arms in groups.items()
    )


def _matrices(classes: tuple[str, ...], arms: list[Arm]) -> Table:
    rows, never = [], []
    for arm in arms:
        matrices = confusions(arm)
        total, mean = matrices.sum(0), shares(matrices)
        for place, name in enumerate(classes):
            cells = (_cell(total[place, k], mean[place, k]) for k in range(len(classes)))
            rows.append((arm.label, name, *cells))
        missed = [name for k, name in enumerate(classes) if total[:, k].sum() == 0]
        if missed:
            never.append(f"{arm.label} never predicted {listing(missed)}.")
    return Table(
        caption="Predictions on the test data: counts over all seeds (mean share of the class)",
        head=("Arm", "Class", *(f"Predicted {name}" for name in classes)),
        align="ll" + "r" * len(classes),
        rows=tuple(rows),
        notes=tuple(never),
    )


def _most_frequent(classes: tuple[str, ...], arms: list[Arm]) -> Table:
    rows = []
    for arm in arms:
        matrices = confusions(arm)
        wrong, mean = matrices.sum(0), shares(matrices)
        np.fill_diagonal(wrong, 0)
        # Stable, so that equal counts stay in the order of the classes.
        for place in np.argsort(-wrong, axis=None, kind="stable")[:_MOST_MISTAKES]:
            label, guess = divmod(int(place), len(classes))
            if wrong[label, guess]:
                cell = _cell(wrong[label, guess], mean[label, guess])
                rows.append((arm.label, classes[label], classes[guess], cell))
    return Table(
        caption="Most frequent confusions: counts over all seeds (mean share of the class)",
        head=("Arm", "Class", "Predicted", "Test rows"),
        align="lllr",
        rows=tuple(rows),
        notes=(f"The whole matrices of {len(classes)} classes are in confusion.csv.",),
    )


def mistakes_tables(experiment: Experiment) -> tuple[Table, ...]:
    """Return each arm's most confident wrong predictions, where the test rows have names."""
    found = ((arm, _mistakes(arm)) for arm in experiment.arms)
    return tuple(_mistakes_table(arm, mistakes) for arm, mistakes in found if mistakes)


@dataclass(frozen=True)
class _Mistake:
    """A wrong prediction for a test row, the most confident one over the seeds."""

    name: str
    label: str
    predicted: str
    probability: float
    wrong: int
    tested: int


def _mistakes(arm: Arm) -> list[_Mistake]:
    tested: dict[tuple[str, str], int] = defaultdict(int)
    wrong: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for run in _predicted(arm):
        found = run.predictions
        if found is None or found.names is None:
            continue
        classes = _classes(run)
        for name, label, guess, probability in zip(
            found.names, found.labels, found.predicted, found.probability, strict=True
        ):
            key = name, classes[label]
            tested[key] += 1
            if guess != label:
                sure = float(probability) if np.isfinite(probability) else 0.0
                wrong[key].append((sure, classes[guess]))
    mistakes = [
        _Mistake(*key, max(guesses)[1], max(guesses)[0], len(guesses), tested[key])
        for key, guesses in wrong.items()
    ]
    return sorted(mistakes, key=lambda m: (-m.probability, m.name, m.label))


def _mistakes_table(arm: Arm, mistakes: list[_Mistake]) -> Table:
    return Table(
        caption=f"Most confident wrong predictions of {arm.label}",
        head=("Test row", "Class", "Predicted", "Its probability", "Wrong, of seeds that test it"),
        align="cllrr",
        rows=tuple(
            (m.name, m.label, m.predicted, decimal(m.probability), f"{m.wrong} of {m.tested}")
            for m in mistakes[:_MOST_MISTAKES]
        ),
        notes=(
            f"Of {plural(len(mistakes), 'test row')} that a seed got wrong. The probability is "
            "the highest over the seeds.",
        ),
    )


def unpredicted(experiment: Experiment) -> str:
    """Return which finished runs have no predictions and why, or nothing."""
    runs = [run for arm in experiment.arms for run in arm.runs]
    lacking = [run for run in runs if run.unpredicted]
    # Results that are all older lack nothing that this page would show.
    damaged = any("predictions.csv" in run.unpredicted for run in lacking)
    if not lacking or not (damaged or any(run.predictions for run in runs)):
        return ""
    reasons = listing([f"{run.id} ({run.unpredicted})" for run in lacking])
    return (
        f"Without predictions: {reasons}. The command that made a run adds them from its model; "
        "nothing is trained again."
    )


def _predicted(arm: Arm) -> list[Run]:
    """Return the runs with predictions, those whose classes are the first one's."""
    runs = [run for run in arm.runs if run.predictions is not None]
    return [run for run in runs if _classes(run) == _classes(runs[0])]


def _classes(run: Run) -> tuple[str, ...]:
    return run.data.classes if run.data is not None else ()


def _cell(total: np.integer, share: np.floating) -> str:
    shown = percent(float(share)) if np.isfinite(share) else MISSING
    return f"{count(int(total))} ({shown})"
