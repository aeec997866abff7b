"""Opening whatever a path leads to, by what it is and not by what it is called."""

import os
from pathlib import Path

from fedqml.core.errors import InputError
from fedqml.data.archives.archive import Archive
from fedqml.data.archives.extent import Extent, opened
from fedqml.data.archives.folder import open_folder
from fedqml.data.archives.tar import open_gzip, open_tar
from fedqml.data.archives.zip import open_zip

_REPACK = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def open_archive(path: Path | str, advice: str = "") -> Archive:
    """Open a folder, a zip archive or a tar archive, compressed by gzip or not.

    Args:
        path: where it is.
        advice: what to do if there is none, such as where to download it.

    Raises:
        InputError: if there is none, or it is damaged or hostile: see the modules of each kind.

    Example:
        >>> open_archive("no/such.zip", "Download it.")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `path` must be a folder, but there is no \
no/such.zip. (A zip or tar archive of one will do.) Download it.
    """
    # os.path and not Path's own methods: these raise where a part of the path is not readable.
    if os.path.isdir(path):
        return open_folder(Path(path))
    if not os.path.isfile(path):
        what = f"{path} is none" if os.path.exists(path) else f"there is no {path}"
        raise InputError(
            f"Argument `path` must be a folder, but {what}. (A zip or tar archive of one will do.)"
            f"{_sentence(advice)}"
        )
    archive = _recognised(str(path), opened(Path(path)))
    if archive is None:
        raise InputError(
            f"Argument `path` must be a folder, but {path} is none, nor a zip or tar archive of "
            f"one.{_sentence(advice)}"
        )
    return archive


def nested(archive: Archive, name: str) -> Archive:
    """Open an archive that is a file of another one, without unpacking either.

    Raises:
        InputError: if it is no archive, or a damaged one.
    """
    inner = _recognised(f"{archive.title}/{name}", archive.place(name))
    if inner is None:
        raise InputError(f"{archive.title}/{name} must be a zip or tar archive, but it is none.")
    return inner


def archives_in(archive: Archive) -> str:
    """Return a sentence on an archive that lies in a folder, as that may have been meant; or ""."""
    endings = (".zip", ".tar", ".tar.gz", ".tgz")
    inside = [name for name in archive.files if name.lower().endswith(endings)]
    if archive.kind != "folder" or not inside:
        return ""
    return f" If {inside[0]} holds it, name that: {archive.title}/{inside[0]}."


def _recognised(title: str, content: Extent) -> Archive | None:
    start = content.at(0, 512)
    for magic, kind in _REPACK.items():
        if start.startswith(magic):
            raise InputError(
                f"{title} must be a zip or tar archive, compressed by gzip or not, but it is a "
                f"{kind} file; unpack it and name the folder."
            )
    if start.startswith(b"PK"):
        return open_zip(title, content)
    if start.startswith(b"\x1f\x8b"):
        return open_gzip(title, content)
    if start[257:262] == b"ustar":
        return open_tar(title, content)
    return None


def _sentence(advice: str) -> str:
    return f" {advice}" if advice else ""
