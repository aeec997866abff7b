"""Names of files in archives, which anybody may have written."""

import re
from collections import Counter
from collections.abc import Iterable

from fedqml.core.errors import InputError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def safe_name(title: str, name: str) -> str:
    """Return a name without ``./`` and a final ``/``, if it stays inside the archive.

    Raises:
        InputError: if it leads out of the archive, or holds what no file's name should.

    Example:
        >>> safe_name("a.zip", "./pets/cat/")
        'pets/cat'
        >>> safe_name("a.zip", "../../etc/passwd")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: a.zip must hold files with names that stay inside it, but \
one is '../../etc/passwd'.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name)
    if outside or "\\" in name or _CONTROL.search(name):
        raise InputError(
            f"{title} must hold files with names that stay inside it, but one is {name!r}."
        )
    return "/".join(parts)


def require_distinct(title: str, names: Iterable[str]) -> None:
    """Refuse two files of one name: which of them counts would be a matter of taste.

    Raises:
        InputError: naming one that is there twice.
    """
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(f"{title} must hold every file once, but {twice[0]} is there twice.")
