"""Bytes of an open file that any number of threads and forked processes may read at once."""

import hashlib
import io
import os
import tempfile
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedqml.core.errors import InputError


class OpenFile:
    """A file that stays open for reading as long as somebody holds this.

    Attributes:
        descriptor: the system's number of it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)


@dataclass(frozen=True, eq=False)
class Extent:
    """A stretch of an open file.

    Attributes:
        file: the file.
        start: where the stretch begins.
        size: how many bytes it has.
    """

    file: OpenFile
    start: int
    size: int

    def at(self, offset: int, size: int) -> bytes:
        """Return bytes from an offset on; fewer where the stretch ends.

        No position is shared, so nothing has to be locked.
        """
        left = min(size, self.size - offset) if offset >= 0 else 0
        parts = []
        while left > 0:
            part = os.pread(self.file.descriptor, min(left, 1 << 30), self.start + offset)
            if not part:
                break
            parts.append(part)
            offset, left = offset + len(part), left - len(part)
        return b"".join(parts)

    def part(self, offset: int, size: int) -> "Extent":
        """Return a stretch of this stretch."""
        return Extent(self.file, self.start + offset, max(0, min(size, self.size - offset)))

    def digest(self, algorithm: str) -> str:
        """Return a hash of all bytes in hexadecimal digits.

        Args:
            algorithm: such as "sha256"; "md5" tells a damaged download, and no more.
        """
        with self.stream() as stream:
            # Not for security: where MD5 is switched off as unsafe, it still tells damage.
            return hashlib.file_digest(
                stream, lambda: hashlib.new(algorithm, usedforsecurity=False)
            ).hexdigest()

    def stream(self) -> io.BufferedReader:
        """Return a reader with a position of its own."""
        return io.BufferedReader(_Stream(self), 1 << 16)


class _Stream(io.RawIOBase):
    def __init__(self, extent: Extent) -> None:
        self._extent, self._position = extent, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._extent.size}
        position = start[whence] + offset
        if position < 0:
            raise OSError("a position before the beginning")
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        content = self._extent.at(self._position, len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def opened(path: Path) -> Extent:
    """Open a regular file.

    Raises:
        InputError: if it cannot be opened.
    """
    try:
        # Not blocking: a pipe that took the file's place must not keep us waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"{path} must be readable, but it is not: {error.strerror}.") from error
    return Extent(OpenFile(descriptor), 0, os.fstat(descriptor).st_size)


def spooled(title: str, chunks: Iterable[bytes]) -> Extent:
    """Put bytes into a nameless temporary file, which goes when nobody reads it any more.

    Args:
        title: what is put there, for messages.
        chunks: the bytes; what this raises is passed on.

    Raises:
        InputError: if the temporary folder has no room.
    """
    try:
        with tempfile.TemporaryFile() as stream:
            file = OpenFile(os.dup(stream.fileno()))
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            return Extent(file, 0, stream.tell())
    except OSError as error:
        raise InputError(
            f"{title} cannot be unfolded into the temporary folder {tempfile.gettempdir()}: "
            f"{error.strerror}. Unpack it yourself and name the folder, or set TMPDIR."
        ) from error
