"""Refusing a name that does not exist, and saying which one was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from fedqml.core.errors import InputError


def require_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Raise ``InputError`` unless ``value`` is one of ``choices``.

    Args:
        name: the argument as its user writes it.
        value: what was given for it.
        choices: every allowed name.

    Raises:
        InputError: if ``value`` is not among them; names the nearest one, if any is near.

    Example:
        >>> require_choice("gate", "RX", ["rx", "ry"])
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `gate` must be one of rx, ry, but gate='RX'. \
Did you mean 'rx'?
    """
    allowed = list(choices)
    if value in allowed:
        return
    near = get_close_matches(str(value).lower(), allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise InputError(
        f"Argument `{name}` must be one of {', '.join(allowed)}, but {name}={value!r}.{hint}"
    )
