"""Clients whose classes differ, from a little to completely."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import whole
from fedqml.core.random import shuffled
from fedqml.data.dealing import dealt, filled
from fedqml.data.dirichlet_shares import dirichlet_shares, require_alpha
from fedqml.data.shares import Partition, Shares


def dirichlet(clients: int, alpha: float, least: int = 1) -> Partition:
    """Deal the rows of each class out in shares ``q_c ~ Dir(alpha, ..., alpha)`` over the clients.

    Sizes differ, too. Large alpha comes near equal shares, as ``iid`` has them; small alpha gives
    each class to one client. Nothing is drawn again until it fits, as elsewhere: a client with
    fewer than ``least`` rows gets them from whoever has most.

    Args:
        clients: number of clients.
        alpha: concentration, positive; 0.1 is very uneven, 100 hardly.
        least: rows that every client has at least; with 0, a draw that leaves one without is
            refused.

    Raises:
        InputError: for a value out of range; when data is split, for fewer rows than clients need,
            or with ``least`` 0 for clients without a row, which it names.

    Example:
        >>> from fedqml.core.random import stream
        >>> labels = torch.tensor([0, 1] * 50)
        >>> shares = dirichlet(3, alpha=0.1)(labels, None, stream(0, "partition"))
        >>> [torch.bincount(labels[rows], minlength=2).tolist() for rows in shares.rows]
        [[15, 1], [35, 21], [0, 28]]

    Source: Yurochkin et al., arXiv:1905.12022, section 4; Li et al., arXiv:2102.02079, section
        III-C (distribution-based label imbalance).
    """
    clients = whole("clients", clients, least=1)
    least = whole("least", least, least=0)
    require_alpha(alpha)

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        classes = labels.numpy()
        pieces: list[list[np.ndarray]] = [[] for _ in range(clients)]
        for label in np.unique(classes):
            rows = np.flatnonzero(classes == label)
            shares = dirichlet_shares(alpha, clients, rng)
            for own, piece in zip(
                pieces, dealt(rows[shuffled(len(rows), rng)], shares), strict=True
            ):
                own.append(piece)
        held = filled([np.concatenate(own) for own in pieces], least, rng)
        return Shares(tuple(torch.from_numpy(np.sort(rows)) for rows in held))

    return partition
