"""Where fedqml keeps what it can compute again."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for what can be computed again; deleting it loses time only.

    The environment variable ``FEDQML_CACHE`` if set; otherwise ``fedqml`` in the system's folder
    for a user's caches: ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS ``~/Library/Caches``, on
    Windows ``%LOCALAPPDATA%``.

    Example:
        >>> cache_folder().is_absolute()
        True
    """
    own = os.environ.get("FEDQML_CACHE")
    if own:
        return Path(own).absolute()
    if sys.platform == "darwin":
        users = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        users = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return users.absolute() / "fedqml"
