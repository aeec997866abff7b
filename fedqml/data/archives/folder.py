"""Folders, read like archives."""

import os
from pathlib import Path

from fedqml.core.errors import InputError
from fedqml.data.archives.archive import Archive, archive
from fedqml.data.archives.extent import Extent, opened
from fedqml.data.archives.limits import require_number, require_size


def open_folder(root: Path) -> Archive:
    """Return the files below a folder.

    Hidden files and folders are passed over. Links must stay inside. Whatever cannot be read (a
    link that leads out of the folder or to nothing, a pipe, a folder without permission) is listed
    as a file and refused when it is read, so that it does no harm where nobody needs it.

    Raises:
        InputError: if the folder itself cannot be read, or there are far too many files.
    """
    root = root.resolve()
    files: dict[str, str] = {}  # and why one that is none cannot be read
    folders: set[str] = set()
    waiting: list[tuple[str, tuple[Path, ...]]] = [("", (root,))]
    while waiting:
        name, trail = waiting.pop()
        try:
            inside = os.listdir(trail[-1])
        except OSError as error:
            why = f"{root / name} must be readable, but it is not: {error.strerror}."
            if not name:
                raise InputError(why) from error
            files[f"{name}/"] = why
            continue
        for entry in inside:
            if entry.startswith("."):
                continue
            child = f"{name}/{entry}" if name else entry
            path = trail[-1] / entry
            if not os.path.isdir(path):
                files[child] = ""
                continue
            folders.add(child)
            real = path.resolve()
            if not real.is_relative_to(root):
                files[f"{child}/"] = _leads_out(root / child, root)
            elif real not in trail:  # or links would lead round in a circle
                waiting.append((child, (*trail, real)))
        require_number(str(root), len(files) + len(folders))

    def place(name: str) -> Extent:
        if files[name]:
            raise InputError(files[name])
        return opened(_inside(root, name))

    def read(name: str) -> bytes:
        extent = place(name)
        require_size(str(root), name, extent.size)
        return extent.at(0, extent.size)

    return archive(str(root), "folder", files, folders, read, place)


def _inside(root: Path, name: str) -> Path:
    path = root / name
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path} must be an image, but it is a link to nothing.") from error
    if not real.is_relative_to(root):
        raise InputError(_leads_out(path, root))
    # Anything else, such as a pipe, could keep the reader waiting for ever.
    if not real.is_file():
        raise InputError(f"{path} must be an image, but it is no regular file.")
    return real


def _leads_out(path: Path, root: Path) -> str:
    return f"{path} must lie inside {root}, but it is (or lies in) a link that leads out of it."
