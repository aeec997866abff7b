"""What makes data usable: types and shapes, finite numbers, rows that match, named classes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.errors import InputError, require

# Looked at together.
_VALUES = 1 << 24


def as_features(
    name: str, x: object, dtype: torch.dtype | None = None, least: int = 1
) -> Float[Tensor, "rows *features"]:
    """Return examples as a float tensor on the CPU, checked.

    Args:
        name: the argument as its user writes it.
        x: the examples, a row each, shape ``(rows, ...)``.
        dtype: the type to return; without it, ``float32`` and ``float64`` stay as they are and
            other real types become ``float32``.
        least: the smallest number of rows.

    Returns:
        The examples, cut off from any gradient.

    Raises:
        InputError: if it is no real tensor of that many rows and a feature, or not finite.

    Example:
        >>> as_features("x", torch.tensor([[1], [2]])).dtype
        torch.float32
    """
    if not isinstance(x, Tensor):
        raise InputError(
            f"Argument `{name}` must be a torch tensor, but its type is {type(x).__name__}; "
            "torch.as_tensor(...) makes one."
        )
    if x.is_complex():
        raise InputError(f"Argument `{name}` must hold real numbers, but it holds {x.dtype}.")
    if x.ndim < 2 or len(x) < least or 0 in x.shape[1:]:
        raise InputError(
            f"Argument `{name}` must have shape (rows, features...) with at least one row and one "
            f"feature, but its shape is {tuple(x.shape)}."
        )
    kept = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
    floats = x.detach().to(device="cpu", dtype=dtype or kept)
    require_finite(name, floats)
    return floats


def as_labels(name: str, y: object) -> Int[Tensor, " rows"]:
    """Return class indices as an ``int64`` tensor on the CPU, checked.

    Args:
        name: the argument as its user writes it.
        y: the class index of each row, shape ``(rows,)``, of any integer type.

    Raises:
        InputError: if it is no such tensor, or an index is negative.

    Example:
        >>> as_labels("y", torch.tensor([0, 1], dtype=torch.uint8))
        tensor([0, 1])
    """
    if not isinstance(y, Tensor):
        raise InputError(
            f"Argument `{name}` must be a torch tensor, but its type is {type(y).__name__}; "
            "torch.as_tensor(...) makes one."
        )
    if y.is_complex() or y.is_floating_point():
        raise InputError(
            f"Argument `{name}` must hold class indices of an integer type, but it holds "
            f"{y.dtype}; .long() converts whole numbers."
        )
    if y.ndim != 1:
        raise InputError(
            f"Argument `{name}` must have shape (rows,), but its shape is {tuple(y.shape)}."
        )
    labels = y.detach().to(device="cpu", dtype=torch.int64)
    negative = (labels < 0).nonzero()
    if len(negative):
        row = int(negative[0])
        raise InputError(
            f"Argument `{name}` must hold class indices from 0, but row {row} (counting from 0) "
            f"holds {int(labels[row])}."
        )
    return labels


def require_finite(name: str, x: Float[Tensor, "rows *features"]) -> None:
    """Refuse NaN and infinities, saying how many there are and where the first one is.

    Args:
        name: the argument as its user writes it.
        x: the examples, a row each.

    Raises:
        InputError: if any value is not finite.

    Example:
        >>> require_finite("x", torch.tensor([[1.0, float("nan")]]))
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `x` must be finite, but 1 of its 2 values are NaN \
or infinite in float32; the first is in row 0, column 1 (counting from 0).
    """
    count, first = 0, list[int]()
    # Part by part: temporaries as large as data that are mapped from the disk may not fit.
    part = max(1, _VALUES * len(x) // max(1, x.numel()))
    for start in range(0, len(x), part):
        bad = (~torch.isfinite(x[start : start + part])).nonzero()
        if len(bad) and not count:
            first = [start + int(bad[0, 0]), *bad[0, 1:].tolist()]
        count += len(bad)
    if count:
        row, *column = first
        place = str(column[0]) if len(column) == 1 else str(tuple(column))
        raise InputError(
            f"Argument `{name}` must be finite, but {count} of its {x.numel()} values are NaN "
            f"or infinite in {str(x.dtype).removeprefix('torch.')}; the first is in row {row}, "
            f"column {place} (counting from 0)."
        )


def require_same_rows(x_name: str, x: Tensor, y_name: str, y: Tensor) -> None:
    """Refuse examples and labels of different number.

    Raises:
        InputError: if the numbers of rows differ.

    Example:
        >>> require_same_rows("x", torch.zeros(3, 2), "y", torch.zeros(3))
    """
    if len(x) != len(y):
        raise InputError(
            f"Arguments `{x_name}` and `{y_name}` must have as many rows as each other, but "
            f"`{x_name}` has {len(x)} and `{y_name}` has {len(y)}."
        )


def as_test(
    test: object, x: Float[Tensor, "rows *features"]
) -> tuple[Float[Tensor, "tests *features"], Int[Tensor, " tests"]]:
    """Return the test data, checked by themselves and against the training examples.

    Args:
        test: examples and labels as given.
        x: the checked training examples, whose type the test examples take.

    Raises:
        InputError: if they are no such pair, or of another shape than ``x``.

    Example:
        >>> as_test((torch.tensor([[1]]), torch.tensor([0])), torch.zeros(2, 1))
        (tensor([[1.]]), tensor([0]))
    """
    if not isinstance(test, tuple | list) or len(test) != 2:
        raise InputError(
            "Argument `test` must be a pair (x, y) of examples and labels, but it is no such "
            f"pair: its type is {type(test).__name__}."
        )
    x_test, y_test = as_features("test[0]", test[0], x.dtype), as_labels("test[1]", test[1])
    require_same_rows("test[0]", x_test, "test[1]", y_test)
    if x_test.shape[1:] != x.shape[1:]:
        raise InputError(
            "Argument `test[0]` must have examples of the same shape as `x`, but the shapes are "
            f"{tuple(x_test.shape[1:])} and {tuple(x.shape[1:])}."
        )
    return x_test, y_test


def as_classes(
    names: object, y: Int[Tensor, " rows"], y_test: Int[Tensor, " tests"]
) -> tuple[str, ...]:
    """Return the name of each class, checked against the labels.

    Args:
        names: the names as given; if there are none, the class indices themselves are taken.
        y: class indices of the training rows.
        y_test: class indices of the test rows.

    Raises:
        InputError: if the names are no distinct texts, if there are fewer than class indices,
            if there are none and an index is left out, or if the training rows are all of one
            class.

    Example:
        >>> as_classes((), torch.tensor([0, 1]), torch.tensor([2]))
        ('0', '1', '2')
    """
    if not isinstance(names, tuple | list):
        raise InputError(f"Argument `classes` must be a tuple of names, but it is {names!r}.")
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"Argument `classes` must hold distinct texts, but it is {names!r}.")
    if int(y.min()) == int(y.max()):
        raise InputError(
            "Argument `y` must hold at least two classes, but every training row has class "
            f"{int(y[0])}."
        )
    present = torch.cat([y, y_test]).unique()
    largest = int(present[-1])
    if names and largest >= len(names):
        raise InputError(
            f"Argument `y` must hold class indices below {len(names)}, the number of `classes`, "
            f"but the largest one in training and test data is {largest}."
        )
    if not names and len(present) <= largest:
        # Labels counted from 1 would otherwise make a class that nobody meant.
        gap = int((present != torch.arange(len(present))).nonzero()[0])
        raise InputError(
            f"Argument `y` must use every class index from 0 to its largest, {largest}, but no "
            f"row has class {gap}. Number the classes from 0, or name all of them in `classes`."
        )
    return tuple(names) or tuple(str(i) for i in range(largest + 1))


def as_owners(owners: object, rows: int) -> tuple[str, ...]:
    """Return the owner of each row, checked.

    Args:
        owners: the owners as given.
        rows: how many there must be.

    Raises:
        InputError: if they are no texts, or not as many as rows.

    Example:
        >>> as_owners(["Ulm", "Bern"], 2)
        ('Ulm', 'Bern')
    """
    if not isinstance(owners, tuple | list) or not all(isinstance(name, str) for name in owners):
        raise InputError(
            "Argument `owners` must be a tuple of names, one for each training row, but it is "
            f"{type(owners).__name__}, or its entries are no texts."
        )
    if len(owners) != rows:
        raise InputError(
            "Argument `owners` must name the owner of each training row, but it has "
            f"{len(owners)} names for {rows} rows."
        )
    return tuple(owners)


def require_form(size: int, components: int) -> None:
    """Refuse a form of images that there cannot be, before any image is read.

    Args:
        size: side of the square that images are stretched to, in pixels.
        components: number of principal components; 0 for no projection.

    Raises:
        InputError: if a number is too small.

    Example:
        >>> require_form(32, 0)
    """
    require(size >= 1, "size", size, "be at least 1")
    require(components >= 0, "components", components, "be at least 0")
