"""Tar archives, plain or compressed by gzip."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace

from fedqml.core.errors import InputError
from fedqml.data.archives.archive import Archive, archive
from fedqml.data.archives.extent import Extent, spooled
from fedqml.data.archives.limits import require_number, require_size, require_total
from fedqml.data.archives.names import require_distinct, safe_name

_CHUNK = 1 << 20


def open_gzip(title: str, content: Extent) -> Archive:
    """Return the files of a tar archive in a gzip file.

    Nothing in it can be found without all that comes before it, so it is unfolded once into a
    nameless temporary file.

    Raises:
        InputError: as ``open_tar``; also if there is no room for the temporary file.
    """
    unfolded = open_tar(title, spooled(title, _unfolded(title, content)))
    return replace(unfolded, packed=content)


def open_tar(title: str, content: Extent) -> Archive:
    """Return a tar archive's files.

    Args:
        title: what messages call it.
        content: its bytes.

    Raises:
        InputError: if it is truncated or damaged, or holds links, devices, names that lead out of
            it, one name twice, or far too many files and folders.
    """
    members: dict[str, Extent] = {}
    folders, names, end = set(), [], 0
    try:
        with content.stream() as stream, tarfile.open(fileobj=stream, mode="r:") as opened:
            for count, entry in enumerate(opened, start=1):
                require_number(title, count)
                name = safe_name(title, entry.name)
                end = entry.offset_data
                if entry.isdir():
                    folders.add(name)
                    continue
                if not entry.isreg() or entry.issparse():
                    raise InputError(
                        f"{title} must hold files and folders alone, but {name} is a link, a "
                        "device or a file with holes."
                    )
                if entry.size < 0:  # not all versions of Python refuse it; they go back
                    raise tarfile.ReadError(f"{name} has a negative size")
                names.append(name)
                members[name] = content.part(entry.offset_data, entry.size)
                end += -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        if content.at(end, tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("the mark of its end is missing")
    # Of what tarfile finds in damaged headers.
    except (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{title} must be a whole tar archive, but it cannot be read ({error}). It is "
            "truncated or damaged: download it again."
        ) from error
    require_distinct(title, names)

    def read(name: str) -> bytes:
        require_size(title, name, members[name].size)
        return members[name].at(0, members[name].size)

    return archive(title, "tar", members, folders, read, lambda name: members[name], content)


def _unfolded(title: str, content: Extent) -> Iterator[bytes]:
    size = 0
    try:
        with content.stream() as stream, gzip.GzipFile(fileobj=stream) as unpacker:
            while chunk := unpacker.read(_CHUNK):
                size += len(chunk)
                require_total(title, content.size, size)
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{title} must be a whole gzip file, but it is not ({error}). It is truncated or "
            "damaged: download it again."
        ) from error
