"""Order the entries of each column by a sorting network, whole rows of columns at once."""

from collections.abc import Iterator
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.federated.columns import WIDTH, columns

Comparators = tuple[tuple[int, int], ...]
"""Pairs of rows; one after the other puts the smaller entry into the first of the two."""


@lru_cache(maxsize=64)
def network(groups: tuple[int, ...]) -> Comparators:
    """Return comparators that bring each entry of a column into its group.

    The comparators are those of Batcher's merge exchange, but for those whose two entries end in
    the same group anyway: whatever order they have, what follows gives the same groups.

    Args:
        groups: the group of each rank, from the smallest entry on; all different to sort.

    Example:
        >>> network((0, 1, 2))
        ((0, 2), (0, 1), (1, 2))
        >>> network((0, 1, 1))
        ((0, 2), (0, 1))

    Source: Knuth, The Art of Computer Programming, volume 3, section 5.2.2, algorithm M.
    """
    label = list(groups)
    kept = []
    for step, (i, j) in enumerate(reversed(list(_merge_exchange(len(groups))))):
        if label[i] != label[j]:
            kept.append((i, j))
            # before this comparator the two are alike, and like no others
            label[i] = label[j] = len(groups) + step
    return tuple(reversed(kept))


def _merge_exchange(k: int) -> Iterator[tuple[int, int]]:
    top = 1 << max(k - 1, 1).bit_length() - 1
    p = top
    while p:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(k - d) if i & p == r)
            if q == p:
                break
            q, r, d = q // 2, p, q - p
        p //= 2


def ordered(
    rows: Float[Tensor, "k d"], comparators: Comparators
) -> Iterator[tuple[slice, list[Float[Tensor, " _"]]]]:
    """Yield parts of the columns and the rows of each part, exchanged by the comparators.

    The yielded rows may be written to; their memory is used for the next part.

    Example:
        >>> next(ordered(torch.tensor([[2.0, 1.0], [1.0, 3.0]]), network((0, 1))))[1]
        [tensor([1., 1.]), tensor([2., 3.])]
    """
    k, d = rows.shape
    memory = rows.new_empty(k + 1, min(d, WIDTH))
    for part in columns(d):
        used = memory[:, : part.stop - part.start]
        used[:k] = rows[:, part]
        *sort, spare = used
        for i, j in comparators:
            torch.minimum(sort[i], sort[j], out=spare)
            torch.maximum(sort[i], sort[j], out=sort[j])
            sort[i], spare = spare, sort[i]
        yield part, sort


def middle_mean(rows: Float[Tensor, "k d"], f: int) -> Float[Tensor, "1 d"]:
    """Return each column's mean without its f smallest and f largest entries.

    Args:
        rows: at least 2f + 1 of them.
        f: how many are left out at each end.

    Example:
        >>> middle_mean(torch.tensor([[1.0], [9.0], [2.0], [4.0]]), 1)
        tensor([[3.]])
    """
    k, d = rows.shape
    result = rows.new_empty(1, d)
    for part, sort in ordered(rows, network((0,) * f + (1,) * (k - 2 * f) + (2,) * f)):
        total = sort[f].double()
        for row in sort[f + 1 : k - f]:
            total += row
        result[0, part] = total / (k - 2 * f)
    return result
