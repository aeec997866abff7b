"""The same number of classes for every client."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import InputError, whole
from fedqml.core.random import shuffled
from fedqml.data.shares import Partition, Shares


def k_classes(clients: int, k: int = 2) -> Partition:
    """Give each client k different classes, and share each class equally among its clients.

    Client after client takes the classes that fewest have so far, ties at random, so that every
    class has the same number of clients, up to one.

    Args:
        clients: number of clients.
        k: classes of each client.

    Raises:
        InputError: for a value below 1; when data is split, for more classes a client than there
            are, too few clients to hold all classes, or a class with fewer rows than clients.

    Example:
        >>> from fedqml.core.random import stream
        >>> labels = torch.arange(60) % 3
        >>> shares = k_classes(3, k=2)(labels, None, stream(0, "partition"))
        >>> [torch.bincount(labels[rows], minlength=3).tolist() for rows in shares.rows]
        [[0, 10, 10], [10, 0, 10], [10, 10, 0]]

    Source: Li et al., arXiv:2102.02079, section III-C (quantity-based label imbalance), with the
        number of clients a class balanced, so that no class is left out.
    """
    clients = whole("clients", clients, least=1)
    k = whole("k", k, least=1)

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        classes = np.unique(labels.numpy())
        if not k <= len(classes) <= clients * k:
            raise InputError(
                "Argument `k` must be at most the number of classes, and enough for the clients to "
                f"hold all of them, but k={k} with {clients} clients and {len(classes)} classes."
            )
        holders: list[list[int]] = [[] for _ in classes]
        for client in range(clients):
            tie = shuffled(len(classes), rng)
            taken = tie[np.argsort([len(holders[c]) for c in tie], kind="stable")[:k]]
            for place in taken:
                holders[place].append(client)
        held: list[list[np.ndarray]] = [[] for _ in range(clients)]
        for label, owning in zip(classes, holders, strict=True):
            rows = np.flatnonzero(labels.numpy() == label)
            if len(rows) < len(owning):
                raise InputError(
                    f"Partition `k_classes` must have a row of each class for each of its clients, "
                    f"but class {label} has {len(rows)} for {len(owning)}: use fewer clients, or a "
                    "smaller k."
                )
            pieces = np.array_split(rows[shuffled(len(rows), rng)], len(owning))
            for client, piece in zip(owning, pieces, strict=True):
                held[client].append(piece)
        return Shares(tuple(torch.from_numpy(np.sort(np.concatenate(own))) for own in held))

    return partition
