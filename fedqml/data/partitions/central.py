"""No federation at all: the baseline."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.data.shares import Partition, Shares


def central() -> Partition:
    """Give every row to a single client, which makes the training non-federated.

    Example:
        >>> from fedqml.core.random import stream
        >>> central()(torch.tensor([0, 1, 1]), None, stream(0, "partition")).rows
        (tensor([0, 1, 2]),)

    Source: Chen and Yoo, arXiv:2103.12010, section V (the non-federated training that the
        federated one is compared with).
    """

    def partition(
        labels: Int[Tensor, " rows"], owners: tuple[str, ...] | None, rng: np.random.Generator
    ) -> Shares:
        return Shares((torch.arange(len(labels)),))

    return partition
