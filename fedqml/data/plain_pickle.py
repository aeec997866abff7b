"""Pickles of nothing but plain containers and arrays of bytes, read without running anything."""

import pickle
from io import BytesIO
from typing import Any

import numpy as np

_RECONSTRUCT = np.empty(0).__reduce__()[0]
"""What NumPy's own pickles of arrays call; its module is called differently in NumPy 1 and 2."""


class Forbidden(Exception):
    """A pickle names something that it must not, or is no whole pickle."""


def load_plain(content: bytes) -> Any:
    """Return what a pickle holds: dicts, lists, tuples, numbers, texts, and arrays of uint8.

    A pickle is a program; of the functions that it may call, this knows three, of which NumPy makes
    an array. Texts of Python 2 become ``bytes``.

    Args:
        content: the pickle.

    Raises:
        Forbidden: if it is damaged, or calls anything else.

    Example:
        >>> load_plain(pickle.dumps({"labels": [0, 1]}, protocol=2))
        {'labels': [0, 1]}
        >>> load_plain(pickle.dumps(print))
        Traceback (most recent call last):
        ...
        fedqml.data.plain_pickle.Forbidden: it would call builtins.print
    """
    try:
        return _Plain(BytesIO(content), encoding="bytes").load()
    except Forbidden:
        raise
    except Exception as error:  # whatever NumPy and pickle stumble over
        raise Forbidden(f"it is damaged ({error})") from error


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct"):
                return _RECONSTRUCT
            case ("numpy", "ndarray"):
                return np.ndarray
            case ("numpy", "dtype"):
                return _uint8
        raise Forbidden(f"it would call {module}.{name}")


def _uint8(code: bytes | str, *_: Any) -> np.dtype[np.uint8]:
    if code not in (b"u1", "u1"):
        raise Forbidden(f"it holds an array of type {code!r} instead of bytes")
    return np.dtype(np.uint8)
