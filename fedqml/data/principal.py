"""The directions in which data vary most."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from fedqml.core.errors import InputError, require, whole
from fedqml.core.random import stream

# Up to so many features all directions are found; of more, only those that are wanted.
_ALL = 2048
# Values that are in the memory in double precision at once.
_VALUES = 1 << 24


def principal(
    train: Float[Tensor, "rows *features"], test: Float[Tensor, "tests *features"], count: int
) -> tuple[Float32[Tensor, "rows count"], Float32[Tensor, "tests count"], float]:
    """Project on the first principal components of the training rows, at unit variance.

    ``z_j = v_j . (x - mean) / sqrt(lambda_j)`` with the eigenvectors ``v_j`` of the training rows'
    covariance (over ``rows``) for its largest eigenvalues ``lambda_j``. The sign of ``v_j`` is such
    that its largest entry in magnitude is positive. Computed in double precision.

    These are statistics of the *pooled* training rows. Owners who may not pool their data would
    have to find mean and covariance together first, by adding up each owner's sums and sums of
    products; those are then known to whoever adds them up. Nothing here hides them.

    Args:
        train: training examples in any unit, flattened.
        test: test examples in the same units.
        count: how many components.

    Returns:
        Both, projected, without a unit, and the share of the training rows' variance that the
        components have.

    Raises:
        InputError: if there are fewer components than ``count`` with any variance.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [3.0, 0.0], [-3.0, 0.0]])
        >>> principal(x, x, 1)[0].T
        tensor([[ 0.4472, -0.4472,  1.3416, -1.3416]])
    """
    count = whole("components", count, least=1)
    x, rows = train.flatten(1), len(train)
    most = min(x.shape[1], rows - 1)
    require(count <= most, "components", count, f"be at most {most} for {rows} training rows")
    mean = sum(part.sum(0) for part in _parts(x)) / rows
    total = float(sum(np.square(part - mean).sum() for part in _parts(x))) / rows
    vectors, variances = _directions(x, mean, count)
    if variances[-1] <= 1e-10 * variances[0]:
        raise InputError(
            f"Argument `components` must be at most the number of directions in which the "
            f"training rows vary, but components={count}, and the last has no variance."
        )
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, range(count)]) / np.sqrt(variances)
    projected = [
        torch.from_numpy(np.concatenate([(part - mean) @ vectors for part in _parts(y)]))
        for y in (x, test.flatten(1))
    ]
    return projected[0].float(), projected[1].float(), float(variances.sum()) / total


def _directions(
    x: Float[Tensor, "rows features"], mean: Float64[np.ndarray, " features"], count: int
) -> tuple[Float64[np.ndarray, "features count"], Float64[np.ndarray, " count"]]:
    """Return eigenvectors of the covariance and their eigenvalues, the largest first."""
    rows, features = x.shape
    if features <= _ALL:
        covariance = sum((part - mean).T @ (part - mean) for part in _parts(x)) / rows
        variances, vectors = np.linalg.eigh(covariance)
    else:

        def times(v: Float64[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
            found = sum((part - mean).T @ ((part - mean) @ v) for part in _parts(x))
            return found / rows

        operator = LinearOperator((features, features), matvec=times, matmat=times, dtype=float)
        # Drawn, as a vector that data have in them could be orthogonal to a component.
        start = stream(0, "principal").standard_normal(features)
        variances, vectors = eigsh(operator, k=count, v0=start)
    order = np.argsort(variances)[::-1][:count]
    return vectors[:, order], variances[order]


def _parts(x: Float[Tensor, "rows features"]) -> Iterator[Float64[np.ndarray, "part features"]]:
    for part in x.split(max(1, _VALUES // x.shape[1])):
        yield part.double().numpy()
