"""Clients of very different size whose data look alike."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import whole
from fedqml.core.random import shuffled
from fedqml.data.dealing import dealt, filled
from fedqml.data.dirichlet_shares import dirichlet_shares, require_alpha
from fedqml.data.shares import Partition, Shares


def quantity_skew(clients: int, alpha: float, least: int = 1) -> Partition:
    """Deal shuffled rows out in shares ``q ~ Dir(alpha, ..., alpha)`` over the clients.

    Args:
        clients: number of clients.
        alpha: concentration, positive; the smaller, the less equal the sizes.
        least: rows that every client has at least, from whoever has most; with 0, a draw that
            leaves one without is refused.

    Raises:
        InputError: for a value out of range; when data is split, for fewer rows than clients need,
            or with ``least`` 0 for clients without a row, which it names.

    Example:
        >>> from fedqml.core.random import stream
        >>> labels = torch.zeros(100, dtype=torch.int64)
        >>> shares = quantity_skew(4, alpha=0.5)(labels, None, stream(0, "partition"))
        >>> [len(rows) for rows in shares.rows]
        [84, 5, 2, 9]

    Source: Li et al., arXiv:2102.02079, section III-E (quantity skew).
    """
    clients = whole("clients", clients, least=1)
    least = whole("least", least, least=0)
    require_alpha(alpha)

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        shares = dirichlet_shares(alpha, clients, rng)
        held = filled(dealt(shuffled(len(labels), rng), shares), least, rng)
        return Shares(tuple(torch.from_numpy(np.sort(rows)) for rows in held))

    return partition
