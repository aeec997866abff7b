"""Bits that flip on their way."""

from dataclasses import replace

import numpy as np
import torch

from fedqml.core.errors import require
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.arrival import arrived


def bit_errors(rate: float, checksum: bool = True) -> Transform:
    """Return the channel that flips each bit of an update with a probability.

    Behind a checksum an update with a wrong bit is dropped. Without one it arrives as it is, with
    numbers of any size, NaN included.

    Args:
        rate: the probability of a bit, in [0, 1).
        checksum: whether the server finds out; that a wrong update passes, as one in 2^32 does with
            32 bits, is left out.

    Raises:
        InputError: if ``rate`` is out of range; in a round of which nothing arrives.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(2), torch.ones(2, 3), torch.ones(2), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 3), 0)
        >>> bit_errors(rate=0.0).apply(u, {}, context)[0].delta.sum()
        tensor(6.)

    Source: Peterson and Brown, "Cyclic codes for error detection", Proc. IRE 49, 1961.
    """
    require(0 <= rate < 1, "rate", rate, "be in [0, 1)")

    def apply(updates: Updates, context: Context) -> Updates:
        rows = updates.delta.clone()
        right = torch.ones(len(rows), dtype=torch.bool)
        for i, rng in enumerate(context.rngs("bits", updates.clients.tolist())):
            sent = rows[i].numpy().view(np.uint8)
            count = int(rng.binomial(8 * len(sent), rate))
            right[i] = count == 0
            flipped = rng.choice(8 * len(sent), count, replace=False)
            np.bitwise_xor.at(sent, flipped // 8, (1 << flipped % 8).astype(np.uint8))
        if checksum:
            return arrived(updates, right, context)
        return replace(updates, delta=rows)

    return stateless(apply)
