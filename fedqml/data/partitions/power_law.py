"""A few large clients and many small ones."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import require, whole
from fedqml.core.random import shuffled
from fedqml.data.dealing import dealt, filled
from fedqml.data.shares import Partition, Shares

_STEEPEST = 100.0


def power_law(clients: int, exponent: float = 1.0, least: int = 1) -> Partition:
    """Deal shuffled rows out so that the client of rank r has ``r^-a`` times the first one's.

    Args:
        clients: number of clients; client 0 is the largest.
        exponent: a, from 0 (equal sizes) to 100.
        least: rows that every client has at least, from whoever has most; with 0, clients that
            would have none are refused.

    Raises:
        InputError: for a value out of range; when data is split, for fewer rows than clients need,
            or with ``least`` 0 for clients without a row, which it names.

    Example:
        >>> from fedqml.core.random import stream
        >>> labels = torch.zeros(110, dtype=torch.int64)
        >>> shares = power_law(3)(labels, None, stream(0, "partition"))
        >>> [len(rows) for rows in shares.rows]
        [60, 30, 20]

    Source: Li et al., arXiv:1812.06127, section 5.1 (numbers of samples by a power law).
    """
    clients = whole("clients", clients, least=1)
    least = whole("least", least, least=0)
    require(0 <= exponent <= _STEEPEST, "exponent", exponent, f"be from 0 to {_STEEPEST:g}")
    size = np.arange(1, clients + 1) ** -float(exponent)

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        held = filled(dealt(shuffled(len(labels), rng), size / size.sum()), least, rng)
        return Shares(tuple(torch.from_numpy(np.sort(rows)) for rows in held))

    return partition
