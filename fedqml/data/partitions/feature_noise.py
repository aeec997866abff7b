"""Clients whose measurements are noisy, each more than the one before."""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import require, whole
from fedqml.data.partitions.iid import iid
from fedqml.data.shares import Partition, Shares


def feature_noise(clients: int, variance: float) -> Partition:
    """Split as ``iid``, and add noise ``N(0, variance * i / clients)`` to client i's features.

    Counted from 1, so the last client has all of the variance; in units of the features squared.
    ``Data.split`` adds it, before training and once for all rounds; the test data stay clean.

    Args:
        clients: number of clients.
        variance: of the last client's noise, at least 0.

    Raises:
        InputError: for a value out of range; when data is split, for more clients than rows.

    Example:
        >>> import torch
        >>> from fedqml.core.random import stream
        >>> labels = torch.zeros(8, dtype=torch.int64)
        >>> feature_noise(4, variance=1.0)(labels, None, stream(0, "partition")).noise
        (0.5, 0.7071067811865476, 0.8660254037844386, 1.0)

    Source: Li et al., arXiv:2102.02079, section III-D (noise-based feature imbalance).
    """
    clients = whole("clients", clients, least=1)
    require(0 <= variance < math.inf, "variance", variance, "be finite and at least 0")
    equal = iid(clients)
    deviations = tuple(math.sqrt(variance * i / clients) for i in range(1, clients + 1))

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        return replace(equal(labels, owners, rng), noise=deviations)

    return partition
