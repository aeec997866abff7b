"""Arrays in a NumPy archive."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from fedqml.core.errors import InputError
from fedqml.core.resolve import nearest
from fedqml.data.checks import require_finite
from fedqml.data.class_names import encode
from fedqml.data.dataset import Data
from fedqml.data.hold_out import hold_out, in_single_precision, single
from fedqml.data.paths import existing_file

_KEYS = ("x", "y", "x_test", "y_test", "owner")
# Of np.load and of reading a damaged, encrypted or unsupported archive.
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


def npz(path: Path, test_fraction: float = 0.2, standardise: bool = False, seed: int = 0) -> Data:
    """Read examples and labels from an ``.npz`` file, as ``numpy.savez`` writes it.

    The arrays are ``x`` (rows, features...), ``y`` (rows,), and, where there are any, the test
    data ``x_test`` and ``y_test`` and the name of each training row's ``owner`` (rows,). Labels
    and owners are whole numbers or texts; the classes are the distinct labels, in order. Files
    that need pickle to be read are refused, because reading them may run any program.

    Args:
        path: the file.
        test_fraction: share of the rows that the server keeps for testing; not used if the file
            has test data of its own.
        standardise: shift and scale each feature to mean 0 and standard deviation 1, by the
            pooled training rows. A real federation has to add up its owners' counts, sums
            and sums of squares to know these, as ``owner_tables`` does.
        seed: fixes which rows are for testing; not used if the file has test data.

    Returns:
        Examples in single precision, of the shape in the file.

    Raises:
        InputError: for a file that is missing or no archive of such arrays, and for arrays that
            do not fit together.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/own.npz", x=np.eye(10), y=["cat", "dog"] * 5)
        ...     npz(Path(folder) / "own.npz").classes
        ('cat', 'dog')
    """
    file = existing_file(path)
    arrays = _arrays(file)
    # Statistics need double precision; without them, it would only double the memory.
    dtype = np.dtype(np.float64 if standardise else np.float32)
    x = _examples(file, "x", arrays["x"], dtype)
    labels = _names(file, "y", arrays["y"], len(x))
    owners = _names(file, "owner", arrays["owner"], len(x)) if "owner" in arrays else None
    if "x_test" not in arrays:
        y, classes = encode(labels)
        return hold_out(
            x,
            y,
            classes,
            test_fraction=test_fraction,
            seed=seed,
            standardised=standardise,
            owners=owners,
        )
    x_test = _examples(file, "x_test", arrays["x_test"], dtype)
    test_labels = _names(file, "y_test", arrays["y_test"], len(x_test))
    if x_test.shape[1:] != x.shape[1:]:
        raise InputError(
            f"{file.name}: `x_test` must have examples of the same shape as `x`, but the shapes "
            f"are {x_test.shape[1:]} and {x.shape[1:]}."
        )
    y, classes = encode(labels + test_labels)
    train, test = (x, y[: len(x)]), (x_test, y[len(x) :])
    return in_single_precision(train, test, classes, standardised=standardise, owners=owners)


def _arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        if not zipfile.is_zipfile(file):
            raise InputError(
                f"{file.name} must be an .npz archive with arrays `x` and `y`, as "
                "numpy.savez(file, x=..., y=...) writes it, but it is no such archive."
            )
        # Opened here, because np.load does not close what it fails to read.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            names = set(archive.files)
            for name in archive.files:
                if name not in _KEYS:
                    raise InputError(
                        f"{file.name}: unknown array `{name}`.{nearest(name, _KEYS)} "
                        f"Allowed: {', '.join(_KEYS)}."
                    )
            wanted = {"x", "y", "x_test", "y_test"} if {"x_test", "y_test"} & names else {"x", "y"}
            for name in sorted(wanted - names):
                raise InputError(
                    f"{file.name} must hold the array `{name}`, but it holds "
                    f"{', '.join(archive.files) or 'nothing'}."
                )
            # What is no array comes back as bytes, which asarray lets the checks see.
            return {name: np.asarray(archive[name]) for name in archive.files}
    except InputError:
        raise
    except _UNREADABLE as error:
        if "pickle" in str(error):
            raise InputError(
                f"{file.name} must hold plain arrays of numbers or texts, but reading it would "
                "need pickle, which may run any program. Save arrays without Python objects "
                "(an array of dtype object: use .astype(float) or .astype(str))."
            ) from error
        raise InputError(
            f"{file.name} must be an .npz archive, but reading failed: {error}"
        ) from error


def _examples(
    file: Path, name: str, array: np.ndarray, dtype: np.dtype[Any]
) -> Float[np.ndarray, "rows *features"]:
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{file.name}: `{name}` must hold real numbers, but it holds {array.dtype}."
        )
    if array.ndim < 2 or 0 in array.shape:
        raise InputError(
            f"{file.name}: `{name}` must have shape (rows, features...) with at least one row and "
            f"one feature, but its shape is {array.shape}."
        )
    with np.errstate(over="ignore"):
        x = array.astype(dtype)
    try:
        # Here, because the rows are numbered anew when some are held out.
        require_finite(name, single(x))
    except InputError as error:
        raise InputError(f"{file.name}: {error}") from error
    return x


def _names(file: Path, name: str, array: np.ndarray, rows: int) -> list[str]:
    if array.dtype.kind not in "iubU":
        raise InputError(
            f"{file.name}: `{name}` must hold whole numbers or texts, but it holds {array.dtype}."
        )
    if array.shape != (rows,):
        raise InputError(
            f"{file.name}: `{name}` must have shape ({rows},), one entry for each row of its "
            f"examples, but its shape is {array.shape}."
        )
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    return [str(value) for value in array.tolist()]
