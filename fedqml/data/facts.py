"""What owners tell each other of their tables: counts, sums and sums of squares."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from fedqml.core.errors import InputError, require
from fedqml.core.files import write_json
from fedqml.data.class_names import class_names
from fedqml.data.table import Table, read_table

LEAST_ROWS = 10
"""Sums of fewer rows would tell too much of each."""

MOST_ROWS = 10**8
"""Of one owner, and of all: what is done with facts grows with the rows they speak of."""

_LARGEST = Fraction(float(np.finfo(np.float32).max))  # of a value: models are given float32
_OWNER = re.compile(r"\w[\w.-]{0,62}")
_RESERVED = ("test", "facts")
_EXACT = Context(prec=1200, traps=[Inexact])  # holds any sum of squares of numbers in use
_NUMBER = re.compile(r"-?\d{1,400}(\.\d{1,800})?")


@dataclass(frozen=True)
class OwnerFacts:
    """What one owner tells of its table.

    Attributes:
        classes: its rows of each class.
        sums: the exact sum of each column, in the column's unit.
        squares: the exact sum of the squares of each column.
    """

    classes: Mapping[str, int]
    sums: Mapping[str, Decimal]
    squares: Mapping[str, Decimal]

    @property
    def rows(self) -> int:
        """The number of its rows."""
        return sum(self.classes.values())


@dataclass(frozen=True)
class Facts:
    """What all machines of a federation know of tables of which each has its own only.

    Attributes:
        target: the column of the classes.
        columns: the features, in the order in which models are given them.
        owners: each owner's facts, by name in rising order.
    """

    target: str
    columns: tuple[str, ...]
    owners: Mapping[str, OwnerFacts]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in order."""
        return class_names(name for each in self.owners.values() for name in each.classes)

    def counts(self, owner: str) -> tuple[int, ...]:
        """Return how many rows of each class an owner has."""
        return tuple(self.owners[owner].classes.get(name, 0) for name in self.classes)

    def moments(self) -> tuple[Float64[np.ndarray, " columns"], Float64[np.ndarray, " columns"]]:
        """Return mean and standard deviation of each column over the rows of all owners.

        ``mean = S / n``, ``sd = sqrt(Q / n - mean^2)`` of the sums S and sums of squares Q, exact
        up to the last rounding, so neither depends on who adds up what first. A column that is
        constant has sd 1.
        """
        rows = sum(each.rows for each in self.owners.values())
        means, sds = [], []
        for column in self.columns:
            mean, variance = _moments(self.owners.values(), column, rows)
            root = Context(prec=50).divide(variance.numerator, Decimal(variance.denominator)).sqrt()
            means.append(float(mean))
            sds.append(float(root) if variance else 1.0)
        return np.array(means), np.array(sds)

    def digest(self) -> str:
        """Return the SHA-256 of the facts in canonical form."""
        text = json.dumps(self._as_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the facts as JSON; sums are decimal texts, as JSON's numbers are not exact."""
        write_json(path, self._as_json())

    def _as_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "columns": list(self.columns),
            "owners": {
                name: {
                    "classes": dict(each.classes),
                    "sums": {column: _text(each.sums[column]) for column in self.columns},
                    "squares": {column: _text(each.squares[column]) for column in self.columns},
                }
                for name, each in self.owners.items()
            },
        }


def table_facts(path: Path, target: str) -> Facts:
    """Return the facts of an owner's table; the owner is named as the file.

    Args:
        path: the table, see ``fedqml.data.table``.
        target: the column of the classes.

    Raises:
        InputError: for a table that cannot be used, one of fewer than 10 rows, or a name that no
            owner can have.
    """
    _check_owner(path.stem)
    table = read_table(path, target)
    if len(table.labels) < LEAST_ROWS:
        raise InputError(
            f"{path.name} must have at least {LEAST_ROWS} rows, or their sums would tell too much "
            f"of each, but it has {len(table.labels)}."
        )
    return Facts(target, table.features, {path.stem: owner_facts(table)})


def owner_facts(table: Table) -> OwnerFacts:
    """Return what an owner tells of its table.

    Example:
        >>> table = Table(("age",), np.array([[0.1], [0.2]]), ["no", "yes"], None)
        >>> owner_facts(table).squares
        {'age': Decimal('0.05')}
    """
    sums, squares = {}, {}
    with localcontext(_EXACT):
        for column, values in zip(table.features, table.values.T, strict=True):
            # The shortest text of a number is what was written, unless that has too many digits.
            exact = [Decimal(repr(value)) for value in values.tolist()]
            sums[column] = sum(exact, Decimal(0))
            squares[column] = sum((value * value for value in exact), Decimal(0))
    counts = Counter(table.labels)
    return OwnerFacts({name: counts[name] for name in sorted(counts)}, sums, squares)


def merged(parts: Iterable[tuple[str, Facts]]) -> Facts:
    """Return the facts of several owners as one.

    Args:
        parts: each with the name of its file, for errors.

    Raises:
        InputError: if they differ in target or columns, or an owner is there twice.
    """
    named = sorted(parts, key=lambda part: min(part[1].owners))
    first_name, first = named[0]
    owners: dict[str, OwnerFacts] = {}
    for name, part in named:
        if part.target != first.target:
            raise InputError(
                f"{first_name} and {name} must have the same target, but it is `{first.target}` "
                f"in the one and `{part.target}` in the other."
            )
        in_order(name, part.columns, first_name, first.columns)
        twice = owners.keys() & part.owners.keys()
        if twice:
            raise InputError(f"{name} has facts of {min(twice)}, which are in another file, too.")
        owners |= part.owners
    return _checked(Facts(first.target, first.columns, dict(sorted(owners.items()))), "The facts")


def read_facts(path: Path) -> Facts:
    """Read a file of facts.

    Raises:
        InputError: if there is none, or it holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}. `fedqml data facts` makes an owner's facts, "
            "and with --merge those of all."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must be JSON, but it cannot be read as such: {error}.") from error
    try:
        facts = _parsed(found)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, InputError):
            raise InputError(f"{path.name}: {error}") from error
        raise InputError(
            f"{path.name} must hold facts as `fedqml data facts` writes them, but it does not "
            f"({type(error).__name__}: {error})."
        ) from error
    return _checked(facts, path.name)


def require_table(path: Path, table: Table, facts: Facts) -> Table:
    """Return an owner's table, its columns in the order of the facts, if they are its facts.

    Raises:
        InputError: if the table has changed since its facts were made.
    """
    owner = path.stem
    order = in_order(path.name, table.features, "facts.json", facts.columns)
    table = Table(facts.columns, table.values[:, order], table.labels, table.owners)
    now, then = owner_facts(table), facts.owners[owner]
    if now == then:
        return table
    if now.rows != then.rows:
        what = f"it has {now.rows} rows, and {then.rows} there"
    elif now.classes != then.classes:
        what = f"its rows by class are {dict(now.classes)}, and {dict(then.classes)} there"
    else:
        other = [c for c in facts.columns if (now.sums[c], now.squares[c]) != _sums(then, c)]
        what = f"its sums of `{other[0]}` are others"
    raise InputError(
        f"{path.name} must be the table that {owner} has in facts.json, but {what}. After a change "
        f"of the table make its facts anew (fedqml data facts {path.name} --target {facts.target}) "
        "and merge all owners' again."
    )


def in_order(name: str, columns: tuple[str, ...], other: str, wanted: tuple[str, ...]) -> list[int]:
    """Return where in a table's columns those of another are, in the other's order.

    Raises:
        InputError: if they are not the same columns.
    """
    missing = [column for column in wanted if column not in columns]
    extra = [column for column in columns if column not in wanted]
    if missing or extra:
        differing = f"`{missing[0]}` is missing" if missing else f"`{extra[0]}` is not there"
        raise InputError(f"{name} must have the columns of {other}, but {differing}.")
    return [columns.index(column) for column in wanted]


def _sums(facts: OwnerFacts, column: str) -> tuple[Decimal, Decimal]:
    return facts.sums[column], facts.squares[column]


def _parsed(found: Any) -> Facts:
    target, columns, owners = (found[key] for key in ("target", "columns", "owners"))
    texts = [target, *columns, *(name for each in owners.values() for name in each["classes"])]
    if not all(isinstance(text, str) for text in texts) or len(set(columns)) < len(columns):
        raise ValueError("a name is no text, or a column is there twice")
    if not all(type(n) is int for each in owners.values() for n in each["classes"].values()):
        raise ValueError("a number of rows is no whole number")
    for name in owners:
        _check_owner(name)
    parsed = {
        name: OwnerFacts(
            dict(each["classes"]),
            {column: _decimal(each["sums"][column]) for column in columns},
            {column: _decimal(each["squares"][column]) for column in columns},
        )
        for name, each in sorted(owners.items())
    }
    return Facts(target, tuple(columns), parsed)


def _checked(facts: Facts, name: str) -> Facts:
    """Refuse facts that no tables can have."""
    if not facts.columns or not facts.owners:
        raise InputError(f"{name} must have columns and owners.")
    for owner, each in facts.owners.items():
        counts = list(each.classes.values())
        if not counts or min(counts) < 1:
            raise InputError(
                f"{name}: {owner} must have a row at least of each of its classes, but it has "
                f"{counts}."
            )
        if not LEAST_ROWS <= each.rows <= MOST_ROWS:
            raise InputError(
                f"{name}: {owner} must have from {LEAST_ROWS} to {MOST_ROWS} rows, but it has "
                f"{each.rows}."
            )
        for column in facts.columns:
            squares = Fraction(each.squares[column])  # they bound the sum, too
            if squares > each.rows * _LARGEST**2 or _moments([each], column, each.rows)[1] < 0:
                raise InputError(
                    f"{name}: no {each.rows} numbers have the sum and the sum of squares that "
                    f"{owner} has for `{column}`."
                )
    if (rows := sum(each.rows for each in facts.owners.values())) > MOST_ROWS:
        raise InputError(f"{name} must have at most {MOST_ROWS} rows in all, but it has {rows}.")
    return facts


def _moments(owners: Iterable[OwnerFacts], column: str, rows: int) -> tuple[Fraction, Fraction]:
    each = [_sums(owner, column) for owner in owners]
    total, squares = (sum(map(Fraction, parts), Fraction(0)) for parts in zip(*each, strict=True))
    mean = total / rows
    return mean, squares / rows - mean * mean


def _check_owner(name: str) -> None:
    allowed = "be 1 to 63 letters, digits, -, _ and ., and neither `test` nor `facts`"
    right = _OWNER.fullmatch(name) is not None and name not in _RESERVED
    require(right, "owner", name, allowed)


def _decimal(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no decimal number")
    return Decimal(text)


def _text(number: Decimal) -> str:
    """Return all digits, without an exponent and without zeros that say nothing."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
