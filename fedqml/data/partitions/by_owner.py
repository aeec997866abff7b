"""The federation as it is: every owner a client."""

from collections import defaultdict

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.data.shares import Partition, Shares


def by_owner() -> Partition:
    """Make one client of each owner, with all of its rows; clients are sorted by name.

    Raises:
        InputError: when data is split whose rows have no owners.

    Example:
        >>> from fedqml.core.random import stream
        >>> owners = ("Ulm", "Bern", "Ulm")
        >>> by_owner()(torch.tensor([0, 1, 1]), owners, stream(0, "partition"))
        Shares(rows=(tensor([1]), tensor([0, 2])), names=('Bern', 'Ulm'), noise=())
    """

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        if owners is None:
            raise InputError(
                "Partition `by_owner` must know who owns each row, but this data names no owners: "
                "set `owner` where a table is read, or give `owners` to Data."
            )
        rows = defaultdict(list)
        for row, owner in enumerate(owners):
            rows[owner].append(row)
        names = tuple(sorted(rows))
        return Shares(tuple(torch.tensor(rows[name]) for name in names), names)

    return partition
