"""What a folder, a zip and a tar archive have in common."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from fedqml.data.archives.extent import Extent
from fedqml.data.archives.limits import require_number


@dataclass(frozen=True, eq=False)
class Archive:
    """Named files.

    Attributes:
        title: what messages call it: its path.
        kind: what holds the files.
        files: name of every file, parts separated by ``/``, sorted; without hidden ones.
        folders: name of every folder, those included that only names of files imply.
        read: from a file's name to its bytes. May be called by several threads, and by processes
            that were forked. Raises ``InputError`` if the file is damaged or may not be read.
        place: from a file's name to where its bytes lie unchanged, for a file that is an archive
            itself; raises as ``read``.
        packed: the archive's own bytes, of which its publisher may have named a checksum; None for
            a folder.
    """

    title: str
    kind: Literal["folder", "zip", "tar"]
    files: tuple[str, ...]
    folders: frozenset[str]
    read: Callable[[str], bytes]
    place: Callable[[str], Extent]
    packed: Extent | None = None


def archive(
    title: str,
    kind: Literal["folder", "zip", "tar"],
    files: Iterable[str],
    folders: Iterable[str],
    read: Callable[[str], bytes],
    place: Callable[[str], Extent],
    packed: Extent | None = None,
) -> Archive:
    """Return an archive with its files in order; what is hidden is passed over.

    Args:
        title: see ``Archive``, as all others.
        kind: what holds the files.
        files: name of every file.
        folders: name of folders; those that names of files imply may be missing.
        read: from a file's name to its bytes.
        place: from a file's name to where they lie.
        packed: the archive's own bytes.

    Raises:
        InputError: if there are far too many files and folders.
    """
    ordered = tuple(sorted(name for name in files if not hidden(name)))
    every = {name for name in folders if name and not hidden(name)}
    return Archive(title, kind, ordered, implied(title, ordered) | every, read, place, packed)


def hidden(name: str) -> bool:
    """Return whether a file or a folder above it is hidden, or is what macOS adds to archives.

    Example:
        >>> hidden("pets/.DS_Store"), hidden("__MACOSX/pets/1.jpg"), hidden("pets/1.jpg")
        (True, True, False)
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def implied(title: str, names: tuple[str, ...]) -> frozenset[str]:
    """Return the folders that files must lie in, to judge by their names.

    Raises:
        InputError: if there are far too many of both.

    Example:
        >>> sorted(implied("a.zip", ("a/b/c.jpg", "d.jpg")))
        ['a', 'a/b']
    """
    found: set[str] = set()
    for name in names:
        while "/" in name:
            name = name.rpartition("/")[0]
            if name in found:
                break
            found.add(name)
        require_number(title, len(names) + len(found))
    return frozenset(found)
