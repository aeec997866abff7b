"""The one error that means "the user can mend this"; everything else is a bug of ours."""

import operator


class InputError(ValueError):
    """What was given cannot be used: the message names it, its value and what is allowed."""


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise ``InputError`` in the project's one form unless ``condition`` holds.

    Args:
        condition: what has to be true.
        name: the argument as its user writes it.
        value: what was given for it.
        allowed: what is allowed, continuing "must ...".

    Raises:
        InputError: if ``condition`` is false.

    Example:
        >>> require(3 > 0, "qubits", 3, "be at least 1")
        >>> require(0 > 0, "qubits", 0, "be at least 1")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `qubits` must be at least 1, but qubits=0.
    """
    if not condition:
        raise InputError(f"Argument `{name}` must {allowed}, but {name}={value!r}.")


def whole(name: str, value: object, least: int) -> int:
    """Return a whole number, NumPy's included, as Python's own.

    Args:
        name: the argument as its user writes it.
        value: what was given for it.
        least: the smallest number that is allowed.

    Raises:
        InputError: if it is no whole number, or smaller.

    Example:
        >>> whole("rounds", 2.5, least=1)
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `rounds` must be a whole number, but rounds=2.5.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise InputError(f"Argument `{name}` must be a whole number, but {name}={value!r}.")
    require(number >= least, name, number, f"be at least {least}")
    return number
