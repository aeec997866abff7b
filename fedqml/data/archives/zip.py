"""Zip archives.

Python's ``zipfile`` reads the list of members; the members themselves are read here, because a
``ZipFile`` has a position and a lock, which forked processes would share.
"""

import itertools
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

from fedqml.core.errors import InputError
from fedqml.data.archives.archive import Archive, archive
from fedqml.data.archives.extent import Extent, spooled
from fedqml.data.archives.limits import require_number, require_size, require_total
from fedqml.data.archives.names import require_distinct, safe_name

_ENCRYPTED, _UTF8 = 0x1, 0x800
_HEADER = struct.Struct("<4s22xHH")  # signature, sizes of name and extra field
_SIGNATURE = b"PK\x03\x04"
_CHUNK = 1 << 20

Members = dict[str, zipfile.ZipInfo]


def open_zip(title: str, content: Extent) -> Archive:
    """Return a zip archive's files.

    Args:
        title: what messages call it.
        content: its bytes.

    Raises:
        InputError: if it is truncated, damaged, encrypted, compressed in a rare way, or holds
            links, names that lead out of it, one name twice, or implausibly much.
    """
    entries = _entries(title, content)
    require_number(title, len(entries))
    members: Members = {}
    folders = set()
    for entry in entries:
        name = safe_name(title, entry.orig_filename)
        if entry.is_dir():
            folders.add(name)
            continue
        _require_plain(title, name, entry)
        members[name] = entry
    require_distinct(title, (safe_name(title, e.orig_filename) for e in entries if not e.is_dir()))
    require_total(title, content.size, sum(entry.file_size for entry in members.values()))
    _require_apart(title, members)

    def read(name: str) -> bytes:
        require_size(title, name, members[name].file_size)
        return b"".join(_unfolded(title, content, name, members[name]))

    def place(name: str) -> Extent:
        entry = members[name]
        if entry.compress_type == zipfile.ZIP_STORED:
            return _packed(title, content, name, entry)
        return spooled(f"{title}/{name}", _unfolded(title, content, name, entry))

    return archive(title, "zip", members, folders, read, place, content)


def _entries(title: str, content: Extent) -> list[zipfile.ZipInfo]:
    try:
        with content.stream() as stream, zipfile.ZipFile(stream) as opened:
            return opened.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise InputError(
            f"{title} must be a whole zip archive, but its list of files, at its end, cannot be "
            f"read ({error}). It is truncated or damaged: download it again."
        ) from error


def _require_plain(title: str, name: str, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise InputError(
            f"{title} must hold files and folders alone, but {name} is a link or a device."
        )
    if entry.flag_bits & _ENCRYPTED:
        raise InputError(
            f"{title} must not be encrypted, but {name} is; unpack it and name the folder."
        )
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{title}: {name} must be stored or deflated, but its method of compression is "
            f"number {entry.compress_type}; unpack it and name the folder."
        )


def _require_apart(title: str, members: Members) -> None:
    """Refuse members that share bytes: so a small archive can hold the same large file often."""
    ordered = sorted(members.values(), key=lambda entry: entry.header_offset)
    for entry, following in itertools.pairwise(ordered):
        end = entry.header_offset + _HEADER.size + entry.compress_size
        if end > following.header_offset:
            raise InputError(
                f"{title} must hold its files one after another, but {entry.filename} and "
                f"{following.filename} overlap; it looks like a bomb."
            )


def _packed(title: str, content: Extent, name: str, entry: zipfile.ZipInfo) -> Extent:
    """Return a member's bytes as they lie in the archive."""
    header = content.at(entry.header_offset, _HEADER.size)
    if len(header) < _HEADER.size or header[:4] != _SIGNATURE:
        raise _damaged(title, name)
    _, name_size, extra_size = _HEADER.unpack(header)
    start = entry.header_offset + _HEADER.size
    encoding = "utf-8" if entry.flag_bits & _UTF8 else "cp437"
    if content.at(start, name_size) != entry.orig_filename.encode(encoding, "replace"):
        raise _damaged(title, name)
    packed = content.part(start + name_size + extra_size, entry.compress_size)
    if packed.size < entry.compress_size:
        raise _damaged(title, name)
    return packed


def _unfolded(title: str, content: Extent, name: str, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Return a member's bytes piece by piece, never more than it says that it has."""
    packed = _packed(title, content, name, entry)
    pieces = _inflated if entry.compress_type == zipfile.ZIP_DEFLATED else _parts
    checksum = size = 0
    try:
        for piece in pieces(packed):
            size += len(piece)
            if size > entry.file_size:
                raise _damaged(title, name)
            checksum = zlib.crc32(piece, checksum)
            yield piece
    except zlib.error as error:
        raise _damaged(title, name) from error
    if size != entry.file_size or checksum != entry.CRC:
        raise _damaged(title, name)


def _parts(packed: Extent) -> Iterator[bytes]:
    for offset in range(0, packed.size, _CHUNK):
        yield packed.at(offset, _CHUNK)


def _inflated(packed: Extent) -> Iterator[bytes]:
    """Return what a deflated stream holds in pieces of at most ``_CHUNK`` bytes.

    Raises:
        zlib.error: if it is damaged or does not end.
    """
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    for part in _parts(packed):
        piece = unpacker.decompress(part, _CHUNK)
        yield piece
        # A full piece may leave bytes behind even where all input is used up: then zlib holds them.
        while len(piece) == _CHUNK and not unpacker.eof:
            piece = unpacker.decompress(unpacker.unconsumed_tail, _CHUNK)
            yield piece
        if unpacker.eof:
            return
    raise zlib.error("the mark of its end is missing")


def _damaged(title: str, name: str) -> InputError:
    return InputError(
        f"{title}: {name} must be as the archive describes it, but it is not. The archive is "
        "truncated or damaged: download it again."
    )
