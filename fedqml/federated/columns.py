"""Work on the columns of a cohort's stack part by part, so that no second stack is needed."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

# 100 rows of so many entries take 13 MB in float64.
WIDTH = 1 << 14
"""Columns that are worked on at once."""


def columns(d: int) -> Iterator[slice]:
    """Yield the parts of d columns.

    Example:
        >>> [(part.start, part.stop) for part in columns(20_000)]
        [(0, 16384), (16384, 20000)]
    """
    for start in range(0, d, WIDTH):
        yield slice(start, min(start + WIDTH, d))


def squared_distances(rows: Float[Tensor, "k d"]) -> Float[Tensor, "k k"]:
    """Return ``||x_i - x_j||^2`` in float64; beyond its range, infinity.

    Example:
        >>> squared_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
        tensor([[ 0., 25.],
                [25.,  0.]], dtype=torch.float64)
    """
    return distances_of(gram(rows))


def distances_of(products: Float[Tensor, "k k"]) -> Float[Tensor, "k k"]:
    """Return the squared distances of vectors whose inner products are given.

    Example:
        >>> distances_of(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        tensor([[0., 2.],
                [2., 0.]])
    """
    lengths = products.diagonal()
    found = lengths[:, None] + lengths - 2 * products
    # two rows beyond the range give inf - inf
    return found.nan_to_num(nan=torch.inf, posinf=torch.inf).clamp(min=0).fill_diagonal_(0)


def gram(
    rows: Float[Tensor, "k d"], centre: Float[Tensor, " d"] | None = None
) -> Float[Tensor, "k k"]:
    """Return ``<x_i - c, x_j - c>`` in float64.

    Args:
        rows: x.
        centre: c; 0 if left out.

    Example:
        >>> gram(torch.eye(2), torch.ones(2))
        tensor([[1., 0.],
                [0., 1.]], dtype=torch.float64)
    """
    products = rows.new_zeros(len(rows), len(rows), dtype=torch.float64)
    for x in _shifted(rows, centre):
        products.addmm_(x, x.T)
    return products


def combine(
    weights: Float[Tensor, "m k"],
    rows: Float[Tensor, "k d"],
    centre: Float[Tensor, " d"] | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "m d"]:
    """Return ``sum_j W_ij (x_j - c)``, summed in float64.

    Args:
        weights: W.
        rows: x.
        centre: c; 0 if left out.
        dtype: of the result; that of the rows if left out.

    Example:
        >>> combine(torch.tensor([[0.5, 0.5]]), torch.eye(2))
        tensor([[0.5000, 0.5000]])
    """
    result = rows.new_empty(len(weights), rows.shape[1], dtype=dtype)
    for part, x in zip(columns(rows.shape[1]), _shifted(rows, centre), strict=True):
        result[:, part] = weights.double() @ x
    return result


def lengths(
    rows: Float[Tensor, "k d"], centre: Float[Tensor, " d"] | None = None
) -> Float[Tensor, " k"]:
    """Return ``||x_i - c||`` in float64.

    Args:
        rows: x.
        centre: c; 0 if left out.

    Example:
        >>> lengths(torch.tensor([[3.0, 4.0]]))
        tensor([5.], dtype=torch.float64)
    """
    squares = rows.new_zeros(len(rows), dtype=torch.float64)
    for x in _shifted(rows, centre):
        squares += x.square().sum(1)
    return squares.sqrt()


def _shifted(
    rows: Float[Tensor, "k d"], centre: Float[Tensor, " d"] | None
) -> Iterator[Float[Tensor, "k _"]]:
    """Yield ``x - c`` in float64, part by part."""
    for part in columns(rows.shape[1]):
        x = rows[:, part].double()
        yield x if centre is None else x - centre[part]
