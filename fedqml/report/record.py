"""Fields of a JSON object, checked one by one: a damaged file is named, not crashed on."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Damaged(Exception):
    """A run's folder cannot be used; the message says which file and why."""


@dataclass(frozen=True)
class Record:
    """A JSON object and the name that messages call it by.

    Args:
        where: the file, and the line where there are several.
        fields: what the object holds.

    Example:
        >>> Record("experiment.json", {"seed": "zero"}).integer("seed")
        Traceback (most recent call last):
        ...
        fedqml.report.record.Damaged: experiment.json: `seed` is not a whole number: 'zero'.
    """

    where: str
    fields: Mapping[str, Any]

    def value(self, name: str) -> Any:
        """Return the field ``name``, whatever it holds.

        Raises:
            Damaged: if there is no such field.
        """
        if name not in self.fields:
            raise Damaged(f"{self.where}: `{name}` is missing.")
        return self.fields[name]

    def text(self, name: str) -> str:
        """Return a field that holds a string."""
        value = self.value(name)
        self._check(isinstance(value, str), name, "a text", value)
        return value

    def integer(self, name: str) -> int:
        """Return a field that holds a whole number."""
        value = self.value(name)
        self._check(_is_integer(value), name, "a whole number", value)
        return value

    def number(self, name: str) -> int | float:
        """Return a field that holds a number; ``null``, NaN and infinities become NaN.

        A diverged loss and one that was never measured have the same consequence here: no
        mean over seeds exists.
        """
        value = self.value(name)
        if value is None:
            return math.nan
        self._check(isinstance(value, float) or _is_integer(value), name, "a number", value)
        return value if math.isfinite(value) else math.nan

    def switch(self, name: str) -> bool:
        """Return a field that holds ``true`` or ``false``."""
        value = self.value(name)
        self._check(isinstance(value, bool), name, "true or false", value)
        return value

    def items(self, name: str) -> list[Any]:
        """Return a field that holds a list."""
        value = self.value(name)
        self._check(isinstance(value, list), name, "a list", value)
        return value

    def counts(self, name: str) -> tuple[int, ...]:
        """Return a field that holds a list of whole numbers."""
        value = self.items(name)
        self._check(all(map(_is_integer, value)), name, "a list of whole numbers", value)
        return tuple(value)

    def record(self, name: str) -> "Record":
        """Return a field that holds an object."""
        return as_record(self.value(name), f"{self.where}: `{name}`")

    def _check(self, condition: bool, name: str, kind: str, value: object) -> None:
        if not condition:
            raise Damaged(f"{self.where}: `{name}` is not {kind}: {value!r}.")


def parse_record(content: bytes, where: str) -> Record:
    """Read one JSON object.

    Raises:
        Damaged: if ``content`` is not JSON, or not an object.

    Example:
        >>> parse_record(b'{"seed": 3}', "experiment.json").integer("seed")
        3
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{where} is not valid JSON: {error}.") from error
    return as_record(value, where)


def as_record(value: object, where: str) -> Record:
    """Wrap a value that has to be an object.

    Raises:
        Damaged: if it is none.
    """
    if not isinstance(value, dict):
        raise Damaged(f"{where} is not an object: {value!r}.")
    return Record(where, value)


def _is_integer(value: object) -> bool:
    # In Python True is an integer; in a results file it is a mistake.
    return isinstance(value, int) and not isinstance(value, bool)
