"""Writing that survives a crash: a reader sees the old file or the new one, never half of one."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY = ".tmp"
"""How the names of temporary files end; one that is found was left by a process that died."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file to write; on leaving without an error it takes ``path``'s place.

    Temporary file in the same folder, fsync, rename, fsync of the folder.

    Args:
        path: the file to replace; its folder must exist.

    Raises:
        OSError: if the folder cannot be written; ``path`` is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        fsync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync(path.parent)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, whole or not at all.

    Raises:
        OSError: as ``replacing``.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; NaN and infinities are refused.

    Raises:
        ValueError: if a number is not finite (JSON has no such number).
        OSError: as ``write_atomic``.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # A file name that is no text in any encoding: JSON's own escape reads back as the same.
    write_atomic(path, f"{text}\n".encode(errors="backslashreplace"))


def fsync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
