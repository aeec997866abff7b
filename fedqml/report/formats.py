"""Numbers as a reader meets them in tables and sentences; full precision is in the CSV files."""

import math
from collections.abc import Sequence

from fedqml.report.statistics import Estimate, Spread

MISSING = "n/a"
POINTS = 100.0
_SPACE = "\N{NO-BREAK SPACE}"
CONFIDENT = f"95{_SPACE}%"
_MINUS = "\N{MINUS SIGN}"
_EXACT_BELOW = 1e9
_FRACTIONS_BELOW = 100


def decimal(value: float, digits: int = 4, sign: bool = False) -> str:
    """Return a number with fixed decimals and a true minus sign.

    Example:
        >>> decimal(0.35064), decimal(1.5, 2, sign=True), decimal(float("nan"))
        ('0.3506', '+1.50', 'n/a')
    """
    if not math.isfinite(value):
        return MISSING
    # Adding zero turns a rounded "-0.0000" into "0.0000".
    text = f"{round(value, digits) + 0.0:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", _MINUS)


def percent(fraction: float) -> str:
    """Return a fraction in percent.

    Example:
        >>> percent(0.9875).replace(chr(160), " ")
        '98.75 %'
    """
    text = decimal(fraction * POINTS, 2)
    return text if text == MISSING else f"{text}{_SPACE}%"


def mean_and_sd(measured: Spread, unit: str = "") -> str:
    """Return ``mean ± sd``; the mean alone for a single seed; ``unit`` may be ``%``.

    Example:
        >>> mean_and_sd(Spread(0.35, 0.01, 3)), mean_and_sd(Spread(0.35, None, 1))
        ('0.3500 ± 0.0100', '0.3500')
    """
    scale, digits = (POINTS, 2) if unit == "%" else (1.0, 4)
    if not math.isfinite(measured.mean):
        return MISSING
    text = decimal(measured.mean * scale, digits)
    if measured.sd is not None:
        text += f" ± {decimal(measured.sd * scale, digits)}"
    return f"{text}{_SPACE}{unit}" if unit else text


def interval(estimate: Estimate, scale: float = 1.0, digits: int = 4) -> str:
    """Return an interval as ``low to high``, signed; empty if there is none.

    Example:
        >>> interval(Estimate(0.0, (-0.0193, 0.0077)), POINTS, 2).replace(chr(8722), "-")
        '-1.93 to +0.77'
    """
    if estimate.interval is None:
        return ""
    low, high = (decimal(bound * scale, digits, sign=True) for bound in estimate.interval)
    return f"{low} to {high}"


def p_value(p: float | None) -> str:
    """Return a p-value; a dash where nothing was tested.

    Example:
        >>> p_value(0.0312), p_value(0.00004), p_value(None)
        ('0.031', '<0.001', '–')
    """
    if p is None:
        return "–"
    return "<0.001" if p < 0.001 else decimal(p, 3)


def count(number: int | float) -> str:
    """Return a count, or a mean of counts, with thousands apart; powers of ten from 10⁹ on.

    Example:
        >>> count(57500), count(4549.7), count(2.5), count(2.3e9)
        ('57,500', '4,550', '2.5', '2.30 × 10⁹')
    """
    if not math.isfinite(number):
        return MISSING
    if abs(number) >= _EXACT_BELOW:
        exponent = math.floor(math.log10(abs(number)))
        power = str(exponent).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{number / 10**exponent:.2f} × 10{power}"
    whole = float(number).is_integer() or abs(number) >= _FRACTIONS_BELOW
    return f"{number:,.0f}" if whole else f"{number:,.1f}"


def size(number: int | float) -> str:
    """Return a number of bytes in decimal units.

    Example:
        >>> size(592).replace(chr(160), " "), size(478.25e6).replace(chr(160), " ")
        ('592 B', '478 MB')
    """
    if not math.isfinite(number):
        return MISSING
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if round(number) < 1000 or unit == "TB":
            break
        number /= 1000
    digits = 0 if unit == "B" or number >= 99.5 else 1
    return f"{number:,.{digits}f}{_SPACE}{unit}"


def duration(seconds: int | float) -> str:
    """Return a time in the units that people use for it.

    Example:
        >>> [duration(s).replace(chr(160), " ") for s in (0.05, 12.34, 200, 7500)]
        ['0.05 s', '12.3 s', '3 min 20 s', '2 h 5 min']
    """
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 59.95:
        return f"{seconds:.{1 if seconds >= 1 else 2}f}{_SPACE}s"
    whole = round(seconds)
    large, small, units = (
        (whole // 60, whole % 60, ("min", "s"))
        if whole < 3600
        else (round(seconds / 60) // 60, round(seconds / 60) % 60, ("h", "min"))
    )
    return f"{large}{_SPACE}{units[0]} {small}{_SPACE}{units[1]}"


def plural(number: int, noun: str) -> str:
    """Return a number and its noun.

    Example:
        >>> plural(1, "seed"), plural(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(items: Sequence[str]) -> str:
    """Return items as a sentence lists them.

    Example:
        >>> listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def shorten(text: str, longest: int) -> str:
    """Return a text, its middle left out if it is too long: names often end in what differs.

    Example:
        >>> shorten("University hospital 17", 12)
        'Univer…al 17'
    """
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def metric_name(column: str) -> str:
    """Return what a history's column is called in tables and on axes.

    Example:
        >>> metric_name("train_loss"), metric_name("test_f1_score")
        ('training loss', 'test f1 score')
    """
    return column.replace("train_", "training_", 1).replace("_", " ")


def is_fraction(column: str) -> bool:
    """Return whether a column is shown in percent, its differences in points.

    Example:
        >>> is_fraction("test_accuracy"), is_fraction("test_loss")
        (True, False)
    """
    return column in ("test_accuracy", "test_backdoor_success")
