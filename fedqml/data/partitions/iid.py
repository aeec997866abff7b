"""Equal shares drawn at random."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import InputError, whole
from fedqml.core.random import shuffled
from fedqml.data.shares import Partition, Shares


def iid(clients: int) -> Partition:
    """Shuffle the rows and deal them out equally, so that all clients' data look alike.

    Client ``k`` of ``K`` gets ``n // K`` rows, and the first ``n % K`` clients one more. A
    share is a set: its rows are listed in rising order, whatever order they were drawn in.

    Args:
        clients: number of clients, at least 1 and at most the number of training rows.

    Raises:
        InputError: for a number of clients below 1; when data is split, for more clients than
            rows.

    Example:
        >>> from fedqml.core.random import stream
        >>> shares = iid(2)(torch.zeros(5, dtype=torch.int64), None, stream(0, "partition"))
        >>> [len(rows) for rows in shares.rows]
        [3, 2]

    Source: Chen and Yoo, arXiv:2103.12010, section V (the training set split equally among
        100 clients).
    """
    clients = whole("clients", clients, least=1)

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        if len(labels) < clients:
            raise InputError(
                "Argument `clients` must be at most the number of training rows, but "
                f"clients={clients} and there are {len(labels)} rows."
            )
        parts = np.array_split(shuffled(len(labels), rng), clients)
        return Shares(tuple(torch.from_numpy(np.sort(part)) for part in parts))

    return partition
