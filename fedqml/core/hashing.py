"""Random numbers as pure functions of a key, in PyTorch's operations.

Under ``torch.vmap`` PyTorch's generators draw otherwise than without it, so what is drawn inside a
model is a hash of a key and a counter instead: equal on every engine, device and batch size.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

_MASK = 0xFFFFFFFF


def mix(h: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Return a hash of numbers from 0 to 2^32 - 1, one to one in that range.

    Args:
        h: any shape.

    Returns:
        The same shape.

    Source: "lowbias32" of C. Wellons' hash prospector; exact in int64, as only 32 bits are kept.
    """
    h = h ^ (h >> 16)
    h = (h * 0x7FEB352D) & _MASK
    h = h ^ (h >> 15)
    h = (h * 0x846CA68B) & _MASK
    return h ^ (h >> 16)


def bits(key: Int[Tensor, "*keys"], number: Int[Tensor, "*numbers"]) -> Int[Tensor, "..."]:
    """Return 32 random bits for a key and a number.

    Args:
        key: up to 63 bits.
        number: which of the key's draws, up to 32 bits; broadcast against ``key``.

    Returns:
        Integers from 0 to 2^32 - 1, of the shape of both together.
    """
    return mix(mix(mix(number & _MASK) ^ (key & _MASK)) ^ ((key >> 32) & _MASK))


def fold(key: Int[Tensor, "*keys"], number: Int[Tensor, "*numbers"]) -> Int[Tensor, "..."]:
    """Return a new key for a key and a number, such as that of an example in a batch.

    Args:
        key: up to 63 bits.
        number: up to 31 bits; broadcast against ``key``.

    Returns:
        Keys of 63 bits, of the shape of both together.

    Example:
        >>> fold(torch.tensor(7), torch.arange(3)).unique().numel()
        3
    """
    high = bits(key, number | 0x80000000) >> 1
    return bits(key, number) | (high << 32)


def uniform(key: Int[Tensor, "*keys"], count: int) -> Float[Tensor, "*keys count"]:
    """Return numbers drawn uniformly from (0, 1), in float64.

    Args:
        key: up to 63 bits.
        count: how many for each key.

    Returns:
        (*keys, count); multiples of 2^-32, plus half of that.

    Example:
        >>> bool(abs(uniform(torch.tensor(7), 10000).mean() - 0.5) < 0.01)
        True
    """
    drawn = bits(key[..., None], torch.arange(count, device=key.device))
    return (drawn.to(torch.float64) + 0.5) * 2.0**-32
