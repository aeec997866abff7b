"""How much an archive may unfold to: far above what images need, far below what does harm."""

from fedqml.core.errors import InputError

MEMBER = 1 << 29
"""Most bytes of a file that is read into memory. (Of an archive in an archive there is no copy.)"""

RATIO = 200
"""Most bytes that a byte of an archive may unfold to, all files together; JPEGs hardly shrink."""

SMALL = 1 << 26
"""Bytes that every archive may unfold to."""

FILES = 2_000_000
"""Most files and folders of an archive or folder."""


def require_size(title: str, name: str, size: int) -> None:
    """Refuse a file that is too large to be read into memory.

    Raises:
        InputError: if it has more than ``MEMBER`` bytes.
    """
    if size > MEMBER:
        raise InputError(
            f"{title}: {name} must have at most {MEMBER} bytes, but it has {size}; reading it "
            "could exhaust the memory."
        )


def require_total(title: str, packed: int, unpacked: int) -> None:
    """Refuse an archive that unfolds to implausibly much.

    Raises:
        InputError: if it has more than ``SMALL`` bytes and ``RATIO`` times those of the archive.
    """
    if unpacked > max(SMALL, RATIO * packed):
        raise InputError(
            f"{title} must unfold to at most {RATIO} times its size, but it has {packed} bytes and "
            f"unfolds to {unpacked} or more; it looks like a bomb."
        )


def require_number(title: str, files: int) -> None:
    """Refuse more files and folders than any set of images has.

    Raises:
        InputError: if there are more than ``FILES``.
    """
    if files > FILES:
        raise InputError(
            f"{title} must hold at most {FILES} files and folders, but it holds more; name the "
            "folder that holds the images themselves."
        )
