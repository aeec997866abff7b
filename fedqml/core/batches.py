"""The order in which a client visits its examples, drawn before it trains."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int, Int64
from torch import Tensor

from fedqml.core.random import order


class BatchPlan(NamedTuple):
    """Which examples make which batch of which epoch; a leading client axis if there is one.

    Attributes:
        rows: rows of the pooled data; where ``mask`` is false, any valid row.
        mask: which of them count; plans share it. A short last batch is filled up, and a client
            with fewer batches than another has empty ones at the end of each epoch.
        key: 63 random bits a step, for dropout.
    """

    rows: Int[Tensor, "*clients epochs steps batch"]
    mask: Bool[Tensor, "*clients epochs steps batch"]
    key: Int[Tensor, "*clients epochs steps"]


def batch_plans(
    rows: Sequence[Int[Tensor, " _"]],
    batch_size: int,
    epochs: int | Sequence[int],
    rngs: Iterable[np.random.Generator],
    most: Sequence[int | None] = (),
) -> BatchPlan:
    """Draw the batches of clients: every epoch visits all of a client's rows once, in a new order.

    Args:
        rows: each client's rows in the pooled data.
        batch_size: examples a batch; the last batch of an epoch has what is left, so a client
            with fewer rows than this still trains on all of them.
        epochs: passes over the rows, of all clients or of each. Who makes fewer has none at first,
            so that all end together.
        rngs: each client's stream of this round; drawn from one after the other.
        most: how many batches each client is allowed, if at all limited: its last ones.

    Returns:
        The plans with a leading client axis, padded to the longest by masked examples. A client's
        own part does not depend on the others.

    Example:
        >>> from fedqml.core.random import stream
        >>> rngs = [stream(0, "batches", 1, client) for client in (0, 1)]
        >>> batch_plans([torch.arange(5), torch.arange(5, 8)], 2, 1, rngs).mask.sum(-1)
        tensor([[[2, 2, 1]],
        <BLANKLINE>
                [[2, 1, 0]]])
    """
    sizes = [own.numel() for own in rows]
    passes = [epochs] * len(rows) if isinstance(epochs, int) else epochs
    longest, most_passes = max(sizes), max(passes)
    batch, steps = min(batch_size, longest), -(-longest // batch_size)
    # What a client has fewer of than the longest stays behind in every order.
    drawn = np.full((len(rows), most_passes, longest), ~np.uint64(0))
    keys = np.zeros((len(rows), most_passes, steps), dtype=np.uint64)
    for own, key, n, p, rng in zip(drawn, keys, sizes, passes, rngs, strict=True):
        used = -(-n // batch_size)
        bits = rng.bit_generator.random_raw(p * (n + used))
        own[-p:, :n] = bits[: p * n].reshape(p, n)
        key[-p:, :used] = bits[p * n :].reshape(p, used)
    firsts, mask = _layout(tuple(sizes), tuple(passes), steps, batch)
    # Padding with the client's own first example keeps its values finite if they are.
    places = np.zeros((len(rows), most_passes, steps * batch), dtype=np.int64)
    places[..., :longest] = order(drawn)
    if min(sizes) < longest:
        places[places >= np.array(sizes)[:, None, None]] = 0
    places += firsts
    numbers = torch.cat(tuple(rows)).numpy()[places]
    if any(limit is not None for limit in most):
        mask = mask & _last(mask, most)[..., None]
    return BatchPlan(
        torch.from_numpy(numbers).reshape(mask.shape),
        mask,
        torch.from_numpy((keys >> np.uint64(1)).view(np.int64)),
    )


@lru_cache(maxsize=2)
def _layout(
    sizes: tuple[int, ...], passes: tuple[int, ...], steps: int, batch: int
) -> tuple[Int64[np.ndarray, "k 1 1"], Bool[Tensor, "k epochs steps batch"]]:
    """Return how many rows come before a client's, and which examples of the batches count.

    A round is mostly laid out as the one before.
    """
    counts, made = (np.array(each)[:, None, None] for each in (sizes, passes))
    begun = np.arange(max(passes))[:, None] >= max(passes) - made
    with torch.inference_mode(False):  # a tensor made there could not be differentiated past
        mask = torch.from_numpy((np.arange(steps * batch) < counts) & begun)
        return counts.cumsum(0) - counts, mask.reshape(*mask.shape[:2], steps, batch)


def _last(
    mask: Bool[Tensor, "k epochs steps batch"], most: Sequence[int | None]
) -> Bool[Tensor, "k epochs steps"]:
    """Return which batches are among the last that each client is allowed."""
    used = mask.any(-1)
    to_come = used.flatten(1).flip(1).cumsum(1).flip(1).view(used.shape)
    limits = [used[0].numel() if limit is None else limit for limit in most]
    return to_come <= torch.tensor(limits)[:, None, None]
