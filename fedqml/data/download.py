"""One large file from the internet: continued after a break, checked, and there only when whole."""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock

from fedqml.core.errors import InputError
from fedqml.core.files import fsync
from fedqml.data.progress import Progress
from fedqml.data.weights import file_digest

_PART = 1 << 20
_TIMEOUT = 60.0
_MISSING = 416  # the server has no such range


def download(address: str, path: Path, sha256: str) -> Path:
    """Fetch a file unless it is there already.

    What has come is kept in ``<path>.part`` and continued by the next call, if the server can.
    Two processes do not fetch at once: the second waits.

    Args:
        address: ``https://...``.
        path: where to keep the file; its folder is made.
        sha256: of the whole file, 64 digits.

    Returns:
        ``path``.

    Raises:
        InputError: if it cannot be fetched or written, or is not the file that was asked for.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not the kind of lock that a killed process leaves behind.
        with FileLock(path.with_name(f".{path.name}.lock"), fallback_to_soft=False):
            if path.is_file() and file_digest(path) == sha256:
                return path
            # What is left of another version cannot be continued: then from the start, once.
            if part.is_file() and part.stat().st_size and _fetched(address, part, sha256):
                return _kept(part, path)
            part.unlink(missing_ok=True)
            if _fetched(address, part, sha256):
                return _kept(part, path)
            digest = file_digest(part)
            part.unlink()
    except (http.client.HTTPException, OSError, NotImplementedError) as error:
        raise InputError(
            f"File {path} must be fetched from {address}, but that fails: {error}. What has come "
            "so far is kept, and the next try continues it."
        ) from error
    raise InputError(f"File {address} must have the SHA-256 {sha256}, but what came has {digest}.")


def _fetched(address: str, part: Path, sha256: str) -> bool:
    """Fetch what is missing and return whether the file is the right one."""
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == _MISSING and have:  # it is whole, or longer than it may be
            return file_digest(part) == sha256
        raise
    with response:
        continued = response.status == http.client.PARTIAL_CONTENT
        if continued and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            return False
        left = response.headers.get("Content-Length")
        start = have if continued else 0
        whole = None if left is None else start + int(left)
        with (
            part.open("ab" if continued else "wb") as file,
            Progress(f"Fetching {address}", whole, unit="bytes", done=start) as shown,
        ):
            while block := response.read(_PART):
                file.write(block)
                shown.advance(len(block))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
    if whole is not None and size < whole:
        raise OSError(f"the connection broke after {size} of {whole} bytes")
    return file_digest(part) == sha256


def _kept(part: Path, path: Path) -> Path:
    part.replace(path)
    fsync(path.parent)
    return path
