"""What an experiment file says for the report only: published values, a baseline, a margin.

None of it is part of a run's id: like a title it can change without any run being made again.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from fedqml.core.errors import InputError
from fedqml.core.resolve import nearest

LABELS = ("published", "baseline", "margin")
"""The keys of an experiment file that this module checks."""

_MEASURED = ("train_loss", "test_loss", "test_accuracy")
_COSTS = (
    *("samples", "bytes_down", "bytes_up"),
    *("circuit_evaluations", "shots", "hardware_evaluations", "seconds"),
)
_COLUMNS = (*_MEASURED, "round", *_COSTS, "samples_a_round")


def labels(table: Mapping[str, Any], arms: Collection[str]) -> dict[str, Any]:
    """Return the labels of an experiment, checked and ready for JSON.

    ``published`` has the text ``source``, where wanted ``test_examples``, the number of test
    examples behind its accuracies, and in ``arms`` for each arm's label what was published: the
    columns ``train_loss``, ``test_loss`` and ``test_accuracy`` (a fraction) after the last round
    and ``round``, its number; ``samples_a_round``, examples trained on in a round; costs such as
    ``samples`` and ``bytes_up``, each summed over all rounds as in the report. ``baseline`` is
    the label of the arm that all others are compared with. ``margin`` is how many points of test
    accuracy count as near.

    Args:
        table: the experiment file.
        arms: the labels of its arms.

    Raises:
        InputError: for an arm that there is not, an unknown key, or a value that cannot be.

    Example:
        >>> labels({"title": "T", "margin": 0.5}, ["federated"])
        {'margin': 0.5}
    """
    checks = {"published": _published, "baseline": _baseline, "margin": _margin}
    return {key: checks[key](table[key], arms) for key in LABELS if key in table}


def _published(value: Any, arms: Collection[str]) -> dict[str, Any]:
    table = _table("published", value)
    _known("published", table, ("source", "test_examples", "arms"))
    source = table.get("source")
    if not isinstance(source, str) or not source.strip():
        raise InputError(
            f"published.source must say where the values were published, but it is {source!r}."
        )
    checked: dict[str, Any] = {"source": source}
    if "test_examples" in table:
        checked["test_examples"] = _count("published.test_examples", table["test_examples"], 1)
    rows = _table("published.arms", table.get("arms"))
    if not rows:
        raise InputError("published.arms must have the values of an arm, but it is empty.")
    for arm, row in rows.items():
        _an_arm("published.arms", arm, arms)
        where = f"published.arms.{arm}"
        if not _table(where, row):
            raise InputError(f"{where} must have a value, but it is empty.")
        _known(where, row, _COLUMNS)
    checked["arms"] = {
        arm: {key: _value(f"published.arms.{arm}.{key}", key, v) for key, v in row.items()}
        for arm, row in rows.items()
    }
    return checked


def _baseline(value: Any, arms: Collection[str]) -> str:
    if not isinstance(value, str):
        raise InputError(f"baseline must be the label of an arm, but it is {value!r}.")
    _an_arm("baseline", value, arms)
    return value


def _margin(value: Any, arms: Collection[str]) -> int | float:
    number = _number("margin", value)
    if not 0 < number <= 100:
        raise InputError(f"margin must be more than 0 and at most 100 points, but it is {value!r}.")
    return number


def _value(where: str, key: str, value: Any) -> int | float:
    if key == "round":
        return _count(where, value, 1)
    number = _number(where, value)
    if number < 0:
        raise InputError(f"{where} must not be less than 0, but it is {value!r}.")
    if key == "test_accuracy" and number > 1:
        raise InputError(f"{where} must be a fraction from 0 to 1, but it is {value!r}.")
    return number


def _number(where: str, value: Any) -> int | float:
    # In Python True is a number; in a file it is a mistake.
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise InputError(f"{where} must be a finite number, but it is {value!r}.")
    return value


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floating-point ones
        return False


def _count(where: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 10**15:
        raise InputError(f"{where} must be a whole number from {least} on, but it is {value!r}.")
    return value


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} must be a table, but it is {value!r}.")
    return value


def _known(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise InputError(
                f"{where}.{key}: unknown key.{nearest(key, known)} Allowed: {', '.join(known)}."
            )


def _an_arm(where: str, label: str, arms: Collection[str]) -> None:
    if label not in arms:
        raise InputError(
            f"{where}: there is no arm `{label}`.{nearest(label, arms)} Arms: {', '.join(arms)}."
        )
