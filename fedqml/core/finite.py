"""Whether numbers are finite, of large tensors quickly."""

from math import isfinite

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def finite_rows(rows: Float[Tensor, "k d"]) -> Bool[Tensor, " k"]:
    """Return which rows have neither NaN nor infinities.

    A sum is many times quicker than a look at every entry, and finite only if all entries are; that
    of finite ones can overflow, so such rows are looked at, one by one to save memory.

    Example:
        >>> finite_rows(torch.tensor([[1.0, 2.0], [3e38, 3e38], [1.0, torch.nan]]))
        tensor([ True,  True, False])
    """
    sums = rows.sum(1)
    if isfinite(sums.sum()):
        return torch.ones_like(sums, dtype=torch.bool)
    finite = sums.isfinite()
    for row in (~finite).nonzero():
        finite[row] = rows[row].isfinite().all()
    return finite
