"""A table of numbers with a column of classes, as text in a file."""

import csv
import io
import math
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from fedqml.core.errors import InputError
from fedqml.core.resolve import nearest

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Table:
    """What a table's file holds, its rows in their order.

    Attributes:
        features: the names of the columns of numbers, in the order of the file.
        values: the numbers, in any unit.
        labels: each row's class, as written.
        owners: each row's owner, if a column names it.
    """

    features: tuple[str, ...]
    values: Float64[np.ndarray, "rows features"]
    labels: list[str]
    owners: list[str] | None


def read_table(file: Path, target: str, owner: str | None = None) -> Table:
    """Read a table whose first line names its columns.

    Cells are separated by commas, the text is UTF-8 with or without byte order mark. Every
    column is a numeric feature, but for the target and the owner. Blanks around names and
    cells do not count.

    Args:
        file: the file.
        target: the column of the classes, numbers or texts.
        owner: the column that names each row's owner, if there is one.

    Raises:
        InputError: for whatever in the file cannot be used, with its line and column.
    """
    records = _records(file)
    header = _header(file, next(records, (0, []))[1])
    y_column = _column(file, header, "target", target)
    owner_column = None if owner is None else _column(file, header, "owner", owner)
    if owner_column == y_column:
        raise InputError(f"Arguments `target` and `owner` must differ, but both are `{target}`.")
    features = [i for i in range(len(header)) if i not in (y_column, owner_column)]
    if not features:
        raise InputError(f"{file.name} must have a column of features, but there is none.")

    # An array takes a quarter of the memory of a list of Python's numbers.
    values, labels, owners = array("d"), list[str](), list[str]()
    for line, cells in records:
        if len(cells) != len(header):
            raise InputError(
                f"{file.name}, line {line} must have {len(header)} cells, as the first line has, "
                f"but it has {len(cells)}."
            )
        for i in features:
            values.append(_number(file, line, header[i], cells[i]))
        labels.append(_text(file, line, target, cells[y_column]))
        if owner_column is not None:
            owners.append(_text(file, line, header[owner_column], cells[owner_column]))
    if not labels:
        raise InputError(f"{file.name} must have rows below its first line, but it has none.")
    return Table(
        tuple(header[i] for i in features),
        np.frombuffer(values).reshape(len(labels), len(features)),
        labels,
        None if owner is None else owners,
    )


def _records(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Return the lines that are not blank, each with its number and its stripped cells."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} must be readable, but it is not: {error.strerror}.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{file.name} must be text in UTF-8, but line {line} has a byte that is not "
            f"({content[error.start]:#x}). Save it as UTF-8."
        ) from error
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        # A quoted cell may hold line breaks: what counts is where its row begins.
        line = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{file.name}, line {line} cannot be read: {error}.") from error
        if cells:
            yield line, [cell.strip() for cell in cells]


def _header(file: Path, names: list[str]) -> list[str]:
    if not names:
        raise InputError(f"{file.name} must name its columns in the first line, but it is empty.")
    for name, times in Counter(names).items():
        if not name:
            raise InputError(
                f"{file.name} must name every column in its first line, but column "
                f"{names.index(name) + 1} has no name. (pandas writes its index so: save with "
                "index=False.)"
            )
        if times > 1:
            raise InputError(
                f"{file.name} must name every column differently, but {times} columns are named "
                f"`{name}`."
            )
    return names


def _column(file: Path, header: list[str], argument: str, name: str) -> int:
    if name in header:
        return header.index(name)
    hint = nearest(name, header)
    if len(header) == 1 and ";" in header[0]:
        hint = " Its cells seem to be separated by semicolons; save it with commas."
    raise InputError(
        f"Argument `{argument}` must be a column of {file.name}, but there is no `{name}`.{hint} "
        f"Columns: {', '.join(header)}."
    )


def _number(file: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    # Python reads 1_000 as a number; in a table it is more likely to be a slip.
    if abs(value) <= _LARGEST and "_" not in cell:
        return value
    held = f"holds {cell!r}" if cell else "is empty"
    raise InputError(
        f"{file.name}, line {line}, column `{column}` must be a finite number, but it {held}."
    )


def _text(file: Path, line: int, column: str, cell: str) -> str:
    if cell and cell.lower() != "nan":
        return cell
    held = f"holds {cell!r}" if cell else "is empty"
    raise InputError(f"{file.name}, line {line}, column `{column}` must be given, but it {held}.")
