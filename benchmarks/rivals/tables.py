"""The report in Markdown, from the rows of the CSV file."""

from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]

_MEBIBYTE = 1 << 20
_REASON = 100  # characters
_MARKS = {"loop": "†", "batch": "‡", "jit": "‡"}


def grid(rows: Sequence[Row], across: str, cell: Callable[[Row], str]) -> str:
    """Return a table: a rival a line, a column for every value of a field.

    Args:
        rows: what to show, of each rival at most one for each value.
        across: the field, ``qubits`` or ``clients``.
        cell: what is shown of a row.
    """
    values = sorted({row[across] for row in rows})
    cells = {(row["rival"], row[across]): cell(row) for row in rows}
    lines = [
        f"| {across} | {' | '.join(map(str, values))} |",
        f"| --- |{' --: |' * len(values)}",
    ]
    for rival in dict.fromkeys(row["rival"] for row in rows):
        found = (cells.get((rival, value), "") for value in values)
        lines.append(f"| {rival} | {' | '.join(found)} |")
    return "\n".join(lines)


def time(row: Row) -> str:
    """Return the time of a row and how many times that of fedqml it is."""
    if row["not_run"]:
        return row["not_run"].splitlines()[0][:_REASON].replace("|", "/")
    text = f"{_digits(1000 * row['seconds'])} ms{_mark(row)}"
    if row["ratio"] == "" or row["ratio"] == row["ratio_p5"] == row["ratio_p95"] == 1:
        return text
    span = " to ".join(_digits(row[name]) for name in ("ratio_p5", "ratio_p95"))
    return f"{text}<br>**{_digits(row['ratio'])}×** ({span})"


def first_call(row: Row) -> str:
    """Return the seconds of a rival's first call."""
    return "" if row["first_call_seconds"] == "" else f"{_digits(row['first_call_seconds'])} s"


def memory(row: Row) -> str:
    """Return the memory of a row, and of how many examples."""
    if row["memory_bytes"] == "":
        return ""
    rows = row["measured_clients"] * row["measured_batch"]
    few = "" if rows == row["clients"] * row["batch"] else f" ({rows} examples)"
    return f"{_digits(row['memory_bytes'] / _MEBIBYTE)} MiB{few}"


def error(row: Row) -> str:
    """Return the largest deviation that was found."""
    return "" if row["error"] == "" else f"{row['error']:.0e}"


def _mark(row: Row) -> str:
    whole = row["measured_clients"] * row["measured_batch"] == row["clients"] * row["batch"]
    return "" if whole else _MARKS[row["way"]]


def _digits(value: float) -> str:
    """Return three digits that count, or all of those before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
