"""From all rows of a source to training and test data."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.random import stream
from fedqml.data.dataset import Data
from fedqml.data.standardise import standardise
from fedqml.data.stratified import stratified_split


def hold_out(
    x: Float[np.ndarray, "rows *features"],
    y: Int[np.ndarray, " rows"],
    classes: Sequence[str],
    *,
    test_fraction: float,
    seed: int,
    standardised: bool,
    owners: Sequence[str] | None = None,
) -> Data:
    """Hold out a stratified test set and return the data in single precision.

    Args:
        x: examples, a row each.
        y: class index of each row.
        classes: name of each class.
        test_fraction: share of the rows that is held out.
        seed: fixes which rows are held out.
        standardised: standardise the features by the training rows (see ``standardise``).
        owners: owner of each row, where that is known.

    Raises:
        InputError: as ``stratified_split`` and ``Data``.

    Example:
        >>> x, y = np.arange(10.0).reshape(10, 1), np.array([0, 1] * 5)
        >>> data = hold_out(
        ...     x, y, ["even", "odd"], test_fraction=0.2, seed=0, standardised=False
        ... )
        >>> len(data.y), len(data.test[1])
        (8, 2)
    """
    train, test = stratified_split(y, test_fraction, stream(seed, "test rows"), owners)
    return in_single_precision(
        (x[train], y[train]),
        (x[test], y[test]),
        classes,
        standardised=standardised,
        owners=None if owners is None else [owners[row] for row in train],
    )


def in_single_precision(
    train: tuple[Float[np.ndarray, "rows *features"], Int[np.ndarray, " rows"]],
    test: tuple[Float[np.ndarray, "tests *features"], Int[np.ndarray, " tests"]],
    classes: Sequence[str],
    *,
    standardised: bool,
    owners: Sequence[str] | None = None,
) -> Data:
    """Return arrays as data in single precision, standardised before they are rounded to it.

    Args:
        train: training examples and class indices.
        test: test examples and class indices.
        classes: name of each class.
        standardised: standardise the features by the training rows (see ``standardise``).
        owners: owner of each training row, where that is known.

    Raises:
        InputError: as ``Data``.

    Example:
        >>> part = (np.array([[1.0], [3.0]]), np.array([0, 1]))
        >>> in_single_precision(part, part, ["a", "b"], standardised=True).x
        tensor([[-1.],
                [ 1.]])
    """
    x, x_test = standardise(train[0], test[0]) if standardised else (train[0], test[0])
    return Data(
        single(x),
        torch.from_numpy(train[1]),
        test=(single(x_test), torch.from_numpy(test[1])),
        classes=tuple(classes),
        owners=None if owners is None else tuple(owners),
    )


def single(x: Float[np.ndarray, "rows *features"]) -> Float[Tensor, "rows *features"]:
    """Return an array as a tensor in single precision; what is too large becomes infinite.

    Example:
        >>> single(np.array([[0.5]]))
        tensor([[0.5000]])
    """
    return torch.from_numpy(x).to(torch.float32)
