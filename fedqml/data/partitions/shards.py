"""A few pieces of the rows sorted by class for each client."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import InputError, whole
from fedqml.core.random import shuffled
from fedqml.data.shares import Partition, Shares


def shards(clients: int, per_client: int = 2) -> Partition:
    """Sort the rows by class, cut them into equal shards and give each client some at random.

    So each client has about ``per_client`` classes, and all have the same number of rows, up to
    one a shard.

    Args:
        clients: number of clients.
        per_client: shards that each gets.

    Raises:
        InputError: for a value below 1; when data is split, for more shards than rows.

    Example:
        >>> from fedqml.core.random import stream
        >>> labels = torch.arange(40) % 4
        >>> shares = shards(4)(labels, None, stream(0, "partition"))
        >>> [torch.bincount(labels[rows], minlength=4).tolist() for rows in shares.rows]
        [[0, 0, 10, 0], [5, 0, 0, 5], [0, 5, 0, 5], [5, 5, 0, 0]]

    Source: McMahan et al., arXiv:1602.05629, section 3 (200 shards for 100 clients).
    """
    clients = whole("clients", clients, least=1)
    per_client = whole("per_client", per_client, least=1)

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        number = clients * per_client
        if len(labels) < number:
            raise InputError(
                f"Partition `shards` must have a row for each of {clients} x {per_client} shards, "
                f"but there are {len(labels)} rows."
            )
        order = shuffled(len(labels), rng)
        by_class = order[np.argsort(labels.numpy()[order], kind="stable")]
        pieces = np.array_split(by_class, number)
        hands = shuffled(number, rng).reshape(clients, per_client)
        held = [np.sort(np.concatenate([pieces[shard] for shard in hand])) for hand in hands]
        return Shares(tuple(torch.from_numpy(rows) for rows in held))

    return partition
