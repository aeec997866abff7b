"""Names of files in archives, which anybody may have written."""

import re
from collections import Counter
from collections.abc import Iterable

from fedqml.core.errors import InputError

_LONGEST = 1024  # characters: macOS cannot unpack longer names
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def safe_name(title: str, name: str) -> str:
    """Return a name without ``./`` and a final ``/``, if it stays inside the archive.

    Raises:
        InputError: if it leads out of the archive, is far too long, or holds what no file's name
            should.

    Example:
        >>> safe_name("a.zip", "./pets/cat/")
        'pets/cat'
        >>> safe_name("a.zip", "../../etc/passwd")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: a.zip must hold files with names that stay inside it, but \
one is '../../etc/passwd'.
    """
    # The names of folders in each other grow with the square of this: a long one fills the memory.
    if len(name) > _LONGEST:
        raise InputError(
            f"{title} must hold files with names of at most {_LONGEST} characters, but one has "
            f"{len(name)} and begins with {name[:60]!r}."
        )
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
