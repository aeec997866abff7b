"""Reading a circuit from plain data, such as a JSON file somebody edited by hand."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fedqml.core.errors import InputError, require
from fedqml.quantum.choices import require_choice

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
    object: "a number, a text, a list or a table",
}


def read_value(value: object, where: str, kind: type) -> Any:
    """Return ``value`` if it is of the type ``kind``.

    Args:
        value: what was read.
        where: its place in the data, for the message.
        kind: ``int``, ``float`` (whole numbers are welcome), ``str``, ``list``, ``dict``, or
            ``object`` for any of them.

    Returns:
        The value; a number asked for as ``float`` is one.

    Raises:
        InputError: if it has another type.

    Example:
        >>> read_value(2, "angle.scale", float)
        2.0
    """
    if kind is float and type(value) is int:
        return float(value)
    # True and False are whole numbers to Python, never to somebody who edits a file
    fits = isinstance(value, kind) and not isinstance(value, bool)
    require(fits, where, value, f"be {_WORDS[kind]}")
    return value


def read_fields(
    data: object, where: str, kinds: Mapping[str, type], required: Sequence[str]
) -> dict[str, Any]:
    """Return the fields of a table, each checked against its type.

    Args:
        data: what was read.
        where: its place in the whole, for the message.
        kinds: the type of every field that may occur.
        required: the fields that have to occur.

    Returns:
        The fields that occurred and are not None, which means the same as absent.

    Raises:
        InputError: if it is no table, a key is unknown or missing, or a value has a wrong type.

    Example:
        >>> read_fields({"gate": "h"}, "ops[0]", {"gate": str, "wires": list}, ["gate"])
        {'gate': 'h'}
    """
    table = read_value(data, where, dict)
    for key in table:
        require_choice(f"{where}: key", key, kinds)
    present = {key: value for key, value in table.items() if value is not None}
    for key in required:
        require(key in present, where, sorted(table), f"have the key {key!r}")
    return {k: read_value(value, f"{where}.{k}", kinds[k]) for k, value in present.items()}


@contextmanager
def inside(where: str) -> Iterator[None]:
    """Tell in which part of the data an ``InputError`` arose.

    Args:
        where: the place, for example ``ops[3]``.

    Raises:
        InputError: the one that arose, with the place in front.

    Example:
        >>> with inside("ops[3]"):
        ...     require(False, "index", -1, "be at least 0")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: In `ops[3]`: Argument `index` must be at least 0, but \
index=-1.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"In `{where}`: {error}") from None
