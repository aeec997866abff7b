"""From labels as people write them to class indices."""

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int

from fedqml.core.errors import InputError


def class_names(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct labels in order: by value if all are numbers, else by text.

    Args:
        labels: any number of labels, in any order.

    Raises:
        InputError: if two different labels are the same number.

    Example:
        >>> class_names(["10", "9", "10"]), class_names(["b", "a", "10"])
        (('9', '10'), ('10', 'a', 'b'))
    """
    distinct = sorted(set(labels))
    values = [_number(label) for label in distinct]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return tuple(distinct)
    ordered = sorted(zip(numbers, distinct, strict=True))
    for (value, name), (following, other) in itertools.pairwise(ordered):
        if value == following:
            raise InputError(
                f"Labels must be distinct numbers, but `{name}` and `{other}` are two spellings "
                "of the same one; write it in one way."
            )
    return tuple(name for _, name in ordered)


def encode(labels: Sequence[str]) -> tuple[Int[np.ndarray, " rows"], tuple[str, ...]]:
    """Return the class index of each label, and the names of the classes.

    Args:
        labels: the label of each row.

    Returns:
        Indices ``(rows,)`` into the names, and the names.

    Raises:
        InputError: as ``class_names``.

    Example:
        >>> encode(["yes", "no", "yes"])
        (array([1, 0, 1]), ('no', 'yes'))
    """
    names = class_names(labels)
    index = {name: i for i, name in enumerate(names)}
    return np.array([index[label] for label in labels], dtype=np.int64), names


def _number(label: str) -> float | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
