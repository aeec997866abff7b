"""Runs become arms: equal settings over several seeds, one row of a table."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float

from fedqml.report.results import Labels, Results, Run, order_metrics

_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class Arm:
    """Runs that differ in nothing but their seed, in the order of their seeds."""

    label: str
    central: bool
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return the seeds, ascending."""
        return tuple(run.seed for run in self.runs)

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that every seed shares, as in ``{"local.epochs": "2"}``."""
        return _settings(self.runs[0])

    @property
    def name(self) -> str:
        """Return the label in the experiment's file; ``label`` may tell it from namesakes."""
        return _label(self.runs[0])

    def final(self, name: str) -> dict[int, int | float]:
        """Return a column's value after the last round, by seed; NaN where it is missing."""
        return {
            run.seed: run.rounds[-1].values.get(name, np.nan) if run.rounds else np.nan
            for run in self.runs
        }

    def total(self, cost: str) -> Float[np.ndarray, " seeds"]:
        """Return a cost summed over all rounds, for each seed."""
        return np.array([float(sum(row.values[cost] for row in run.rounds)) for run in self.runs])

    def curve(
        self, name: str
    ) -> tuple[Float[np.ndarray, " rounds"], Float[np.ndarray, "seeds rounds"]]:
        """Return the rounds that every seed has and a column's values at them."""
        histories = [
            {row.round: row.values.get(name, np.nan) for row in run.rounds} for run in self.runs
        ]
        rounds = sorted(set.intersection(*(set(history) for history in histories)))
        values = [[history[number] for number in rounds] for history in histories]
        return np.array(rounds, dtype=float), np.array(values, dtype=float)


@dataclass(frozen=True)
class Experiment:
    """All runs of one experiment.

    Args:
        name: the name in its file.
        title: the title in its file, the newest that a run has.
        arms: the finished runs; federated arms first.
        begun: the same of the runs that have not finished.
        repeats: finished runs that repeat a seed, each with the later run that is counted.
        labels: what its file says for the report only, the newest that a run has.
    """

    name: str
    title: str
    arms: tuple[Arm, ...]
    begun: tuple[Arm, ...]
    repeats: tuple[tuple[Run, Run], ...]
    labels: Labels

    @property
    def federated(self) -> tuple[Arm, ...]:
        """Return the arms that train on the clients."""
        return tuple(arm for arm in self.arms if not arm.central)

    @property
    def central(self) -> tuple[Arm, ...]:
        """Return the arms that train on pooled data."""
        return tuple(arm for arm in self.arms if arm.central)

    @property
    def compares_otherwise(self) -> bool:
        """Return whether a baseline or published values stand in for a central arm."""
        labels = self.labels
        return not self.central and (labels.baseline is not None or labels.published is not None)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the ``test_<metric>`` columns that any run has."""
        return order_metrics({name for run in self.runs for name in run.metrics})

    @property
    def runs(self) -> tuple[Run, ...]:
        """Return the runs that count and those that have not finished, arm by arm."""
        return tuple(run for arm in (*self.arms, *self.begun) for run in arm.runs)


def group(results: Results) -> tuple[Experiment, ...]:
    """Sort the runs of a folder into experiments and arms.

    Runs are seeds of one arm only if all their other settings agree: runs made before and after
    a setting was changed keep the same label, but are not averaged.

    Args:
        results: what was read from disk.

    Returns:
        The experiments by name.
    """
    runs = sorted(results.runs, key=lambda run: run.name)
    return tuple(_experiment(name, list(same)) for name, same in groupby(runs, lambda r: r.name))


def reference(arm: Arm, experiment: Experiment) -> Arm | None:
    """Return the central arm to compare a federated arm with.

    That is the one whose settings differ least, so that a sweep over the model compares like
    with like. The number of rounds is left out: one on pooled data is another thing than one of a
    few clients. Of several, the one with the best accuracy, so that no choice flatters; of equally
    good ones, one that shares at least two seeds, so that there is a paired interval.

    Args:
        arm: a federated arm.
        experiment: the experiment that it belongs to.

    Returns:
        A central arm, or None if there is none.
    """

    def distance(other: Arm) -> tuple[int, float, bool]:
        names = set(differing([arm, other])) - {"run.rounds"}
        accuracy = float(np.mean(list(other.final("test_accuracy").values())))
        shared = set(arm.seeds) & set(other.seeds)
        return len(names), -accuracy if np.isfinite(accuracy) else np.inf, len(shared) < 2

    return min(experiment.central, key=distance, default=None)


def named(experiment: Experiment, name: str) -> Arm | None:
    """Return the finished arm that an experiment's file calls so.

    Args:
        experiment: its arms.
        name: a label from the file.

    Returns:
        The arm; of several, made before and after a change of settings, the latest; None if
        there is none.
    """
    found = [arm for arm in experiment.arms if arm.name == name.strip()]
    return max(found, key=lambda arm: max(map(_age, arm.runs)), default=None)


def differing(arms: Iterable[Arm]) -> tuple[str, ...]:
    """Return the names of the settings in which arms differ, in alphabetical order."""
    settings = [arm.settings for arm in arms]
    names = sorted(set().union(*settings))
    return tuple(name for name in names if len({s.get(name) for s in settings}) > 1)


def _experiment(name: str, runs: list[Run]) -> Experiment:
    counted: list[Run] = []
    repeats: list[tuple[Run, Run]] = []
    for _, same in groupby(
        sorted((run for run in runs if run.summary), key=_seed_key), key=_seed_key
    ):
        *earlier, latest = sorted(same, key=_age)
        counted.append(latest)
        repeats.extend((run, latest) for run in earlier)
    newest = max(runs, key=lambda run: (run.labels.since or _age(run)[0], run.id))
    arms = _arms([*counted, *(run for run in runs if not run.summary)])
    return Experiment(
        name=name,
        title=newest.title,
        arms=_only(arms, finished=True),
        begun=_only(arms, finished=False),
        repeats=tuple(repeats),
        labels=newest.labels,
    )


def _only(arms: tuple[Arm, ...], finished: bool) -> tuple[Arm, ...]:
    parts = (
        Arm(
            arm.label,
            arm.central,
            tuple(r for r in arm.runs if (r.summary is not None) is finished),
        )
        for arm in arms
    )
    return tuple(arm for arm in parts if arm.runs)


def _arms(runs: list[Run]) -> tuple[Arm, ...]:
    runs = sorted(runs, key=lambda run: (_arm_key(run), run.seed, run.id))
    arms = [
        Arm(_label(same[0]), same[0].central, tuple(same))
        for same in (list(found) for _, found in groupby(runs, key=_arm_key))
    ]
    labelled = [_distinguish(arm, [a for a in arms if a.label == arm.label]) for arm in arms]
    return tuple(sorted(labelled, key=lambda arm: (arm.central, _natural(arm.label))))


def _label(run: Run) -> str:
    return run.arm.strip() or ("central" if run.central else "federated")


def _distinguish(arm: Arm, namesakes: list[Arm]) -> Arm:
    if len(namesakes) == 1:
        return arm
    label = arm.label
    if any(other.central is not arm.central for other in namesakes):
        label += ", central" if arm.central else ", federated"
    alike = [other for other in namesakes if other.central is arm.central]
    names = differing(alike)
    shown = [f"{name} = {arm.settings.get(name, 'unset')}" for name in names[:_SHOWN_DIFFERENCES]]
    if len(names) > _SHOWN_DIFFERENCES:
        # The first few may agree between two of the arms; an id never does.
        shown.append(f"run {arm.runs[0].id}")
    return Arm("; ".join([label, *shown]), arm.central, arm.runs)


def _settings(run: Run) -> dict[str, str]:
    flat: dict[str, str] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, item in value.items():
                visit(f"{prefix}.{key}" if prefix else str(key), item)
        else:
            flat[prefix] = json.dumps(value, ensure_ascii=False, sort_keys=True)

    visit("", run.config)
    # Which seeds an experiment has is no difference between them.
    return {name: flat[name] for name in sorted(flat) if not re.fullmatch(r"(run\.)?seeds?", name)}


def _arm_key(run: Run) -> tuple[bool, str, str]:
    return run.central, _label(run), json.dumps(_settings(run), sort_keys=True)


def _seed_key(run: Run) -> tuple[tuple[bool, str, str], int]:
    return _arm_key(run), run.seed


def _age(run: Run) -> tuple[str, str]:
    return str(run.environment.get("started", "")), run.id


def _natural(label: str) -> list[Any]:
    # Splitting at a group puts text at even places and numbers at odd ones: they never compare.
    parts = re.split(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)", label)
    return [float(part) if place % 2 else part for place, part in enumerate(parts)]
