"""The order in which a client visits its examples, drawn before it trains."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from fedqml.core.random import shuffled


class BatchPlan(NamedTuple):
    """Which examples make which batch of which epoch; a leading client axis when stacked.

    Attributes:
        rows: rows of the pooled data; where ``mask`` is false, any valid row.
        mask: which of them count. A short last batch is filled up, and a client with fewer
            batches than another has empty ones at the end of each epoch.
        key: 63 random bits a step, for dropout.
    """

    rows: Int[Tensor, "*clients epochs steps batch"]
    mask: Bool[Tensor, "*clients epochs steps batch"]
    key: Int[Tensor, "*clients epochs steps"]


def batch_plan(
    rows: Int[Tensor, " n"], batch_size: int, epochs: int, rng: np.random.Generator
) -> BatchPlan:
    """Draw a client's batches: every epoch visits all of its rows once, in a new order.

    Args:
        rows: the client's rows in the pooled data.
        batch_size: examples a batch; the last batch of an epoch has what is left, so a client
            with fewer rows than this still trains on all of them.
        epochs: passes over the rows.
        rng: the client's stream of this round.

    Example:
        >>> from fedqml.core.random import stream
        >>> plan = batch_plan(torch.arange(5), 2, 1, stream(0, "batches", 1, 0))
        >>> plan.mask.sum(-1)
        tensor([[2, 2, 1]])
    """
    n = len(rows)
    batch = min(batch_size, n)
    steps = -(-n // batch)
    order = np.zeros((epochs, steps * batch), dtype=np.int64)
    for epoch in order:
        epoch[:n] = shuffled(n, rng)
    keys = (rng.bit_generator.random_raw(epochs * steps) >> np.uint64(1)).astype(np.int64)
    mask = torch.arange(steps * batch) < n
    return BatchPlan(
        rows[torch.from_numpy(order)].reshape(epochs, steps, batch),
        mask.expand(epochs, -1).reshape(epochs, steps, batch),
        torch.from_numpy(keys.reshape(epochs, steps)),
    )


def stack(plans: list[BatchPlan]) -> BatchPlan:
    """Return the plans with a leading client axis, padded to the longest by masked examples."""
    steps = max(p.rows.shape[1] for p in plans)
    batch = max(p.rows.shape[2] for p in plans)

    def padded(p: BatchPlan) -> BatchPlan:
        grow = (0, batch - p.rows.shape[2], 0, steps - p.rows.shape[1])
        # Padding with the client's own first example keeps its values finite if they are.
        fill = int(p.rows[0, 0, 0])
        return BatchPlan(
            torch.nn.functional.pad(p.rows, grow, value=fill),
            torch.nn.functional.pad(p.mask, grow, value=False),
            torch.nn.functional.pad(p.key, grow[2:]),
        )

    each = [padded(p) for p in plans]
    return BatchPlan(*(torch.stack(fields) for fields in zip(*each, strict=True)))
