"""Where the numbers come from: machine, command, settings, runs, and what was left out."""

import json
from collections.abc import Iterable

from fedqml.report.arms import Arm, Experiment, differing
from fedqml.report.results import Results, Run
from fedqml.report.tables import Table

_NOT_THE_MACHINE = ("command", "started")


def commands(experiment: Experiment) -> tuple[str, ...]:
    """Return the commands that made the runs, without repetition."""
    return tuple(
        dict.fromkeys(_text(run, "command") for run in experiment.runs if _text(run, "command"))
    )


def environment_table(experiment: Experiment) -> Table | None:
    """Return versions and machine; where runs differ, every value that occurs.

    Args:
        experiment: its runs.

    Returns:
        The table, or None if no run has said anything.
    """
    runs = experiment.runs
    names = dict.fromkeys(name for run in runs for name in run.environment)
    rows = [
        (
            name,
            ", or ".join(
                dict.fromkeys(_text(run, name) for run in runs if name in run.environment)
            ),
        )
        for name in names
        if name not in _NOT_THE_MACHINE
    ]
    started = sorted(_text(run, "started") for run in runs if _text(run, "started"))
    if started:
        same = started[0] == started[-1]
        rows.append(("started", started[0] if same else f"{started[0]} to {started[-1]}"))
    return Table("Environment of the runs", ("What", "Value"), "ll", tuple(rows)) if rows else None


def settings_tables(experiment: Experiment) -> tuple[tuple[str, Table], ...]:
    """Return every arm's resolved settings, with the arm's label."""
    return tuple(
        (
            arm.label,
            Table(
                f"Settings of {arm.label}", ("Setting", "Value"), "cc", tuple(arm.settings.items())
            ),
        )
        for arm in _labelled_once(experiment)
    )


def differences_table(experiment: Experiment) -> Table | None:
    """Return the settings in which the arms differ; None if there is only one arm."""
    arms = _labelled_once(experiment)
    names = differing(arms)
    if not names:
        return None
    return Table(
        caption="Settings in which the arms differ",
        head=("Setting", *(arm.label for arm in arms)),
        align="c" * (len(arms) + 1),
        rows=tuple((name, *(arm.settings.get(name, "–") for arm in arms)) for name in names),
    )


def runs_table(experiment: Experiment) -> Table | None:
    """Return id, final model and data of every run that counts, and of those that repeat one."""
    counted = [
        (run.id, arm.label, str(run.seed), *_proof(run))
        for arm in experiment.arms
        for run in arm.runs
    ]
    repeats = [
        (
            run.id,
            f"repeat of {latest.id}: "
            + ("the same model" if _hash(run) == _hash(latest) else "ANOTHER model"),
            str(run.seed),
            *_proof(run),
        )
        for run, latest in experiment.repeats
    ]
    if not counted:
        return None
    return Table(
        caption="Finished runs",
        head=("Run", "Arm", "Seed", "SHA-256 of the final model", "SHA-256 of data and split"),
        align="clrcc",
        rows=(*counted, *repeats),
        notes=("Of runs that repeat a seed of an arm only the latest is counted.",)
        if repeats
        else (),
    )


def unfinished_table(experiment: Experiment) -> Table | None:
    """Return the runs that are not in any table; None if there are none."""
    rows = tuple(
        (run.id, arm.label, str(run.seed), str(run.rounds[-1].round) if run.rounds else "none")
        for arm in experiment.begun
        for run in arm.runs
    )
    if not rows:
        return None
    return Table(
        caption="Unfinished runs, left out of the tables",
        head=("Run", "Arm", "Seed", "Last round"),
        align="clrr",
        rows=rows,
        notes=(
            "A run that was interrupted goes on when the command that began it is given again.",
        ),
    )


def unreadable_table(results: Results) -> Table | None:
    """Return the folders that could not be read; None if all could."""
    if not results.unreadable:
        return None
    return Table("Folders that could not be read", ("Folder", "Reason"), "cl", results.unreadable)


def _labelled_once(experiment: Experiment) -> list[Arm]:
    # An arm with finished and unfinished seeds has one set of settings.
    arms: dict[str, Arm] = {}
    for arm in (*experiment.arms, *experiment.begun):
        arms.setdefault(arm.label, arm)
    return list(arms.values())


def _text(run: Run, name: str) -> str:
    value = run.environment.get(name, "")
    if value is None:
        return "not installed"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _proof(run: Run) -> Iterable[str]:
    return _hash(run), run.data.fingerprint if run.data is not None else ""


def _hash(run: Run) -> str:
    return run.summary.hash if run.summary is not None else ""
