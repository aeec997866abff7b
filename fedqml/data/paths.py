"""Paths that a user gave, checked before anything is read."""

import os
from pathlib import Path

from fedqml.core.errors import InputError


def existing_file(path: Path | str) -> Path:
    """Return ``path`` if it is a file.

    Raises:
        InputError: if it is not.

    Example:
        >>> existing_file("no/such.csv")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `path` must be a file, but there is no no/such.csv.
    """
    return _existing(path, "file", os.path.isfile(path))


def existing_folder(path: Path | str) -> Path:
    """Return ``path`` if it is a folder.

    Raises:
        InputError: if it is not.
    """
    return _existing(path, "folder", os.path.isdir(path))


# os.path and not Path's own methods: these raise where a part of the path is not readable.
def _existing(path: Path | str, kind: str, right: bool) -> Path:
    if right:
        return Path(path)
    what = f"{path} is none" if os.path.exists(path) else f"there is no {path}"
    raise InputError(f"Argument `path` must be a {kind}, but {what}.")
