"""The compiled loop over shots, which draws to the bit what PyTorch's operations draw."""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native.compiler.arrays import array
from fedqml.quantum.native.compiler.kernel import kernel

# Up to so many outcomes, comparing every number with every sum, in vectors, beats bisection.
_FEW = 256


@no_type_check
def _mix(h):
    """Return what ``fedqml.core.hashing.mix`` returns."""
    h = h ^ (h >> 16)
    h = (h * 0x7FEB352D) & 0xFFFFFFFF
    h = h ^ (h >> 15)
    h = (h * 0x846CA68B) & 0xFFFFFFFF
    return h ^ (h >> 16)


@no_type_check
def _bits(key, mixed):
    """Return what ``fedqml.core.hashing.bits`` returns for a number that has been mixed."""
    return _mix(_mix(mixed ^ (key & 0xFFFFFFFF)) ^ ((key >> 32) & 0xFFFFFFFF))


@kernel
@no_type_check
def count(like, cumulative, keys, rows, outcomes, shots, block, memory, counts):
    """Draw outcomes and count them.

    Args:
        like: an array of float64.
        cumulative: the address of sums of probabilities, the last one 1; (rows, 2^k).
        keys: that of one for every row.
        rows: how many.
        outcomes: 2^k.
        shots: how many.
        block: how many have a key of their own, folded from the row's; no more than all.
        memory: an address for a block's numbers; (2, block), 32 bits without a sign.
        counts: that of how often each outcome was drawn; (rows, 2^k), zeros.
    """
    sums = array(cumulative, (rows, outcomes), like.dtype)
    found = array(counts, (rows, outcomes), like.dtype)
    key_of = array(keys, (rows,), np.int64)
    mixed = array(memory, (block,), np.uint32)
    drawn = array(memory + 4 * block, (block,), np.uint32)
    for number in range(block):
        mixed[number] = _mix(number)
    for row in range(rows):
        for place in range((shots + block - 1) // block):
            size = min(block, shots - place * block)
            high = _bits(key_of[row], _mix(place | 0x80000000)) >> 1
            key = _bits(key_of[row], _mix(place)) | (high << 32)
            for number in range(size):  # a loop of its own: it can be vectorised
                drawn[number] = _bits(key, mixed[number])
            if outcomes <= _FEW:
                before = 0
                for outcome in range(outcomes):
                    below = 0
                    for number in range(size):
                        below += (drawn[number] + 0.5) * 2.0**-32 < sums[row, outcome]
                    found[row, outcome] += below - before
                    before = below
                continue
            for number in range(size):
                value = (drawn[number] + 0.5) * 2.0**-32
                # bisection without branches: the first outcome whose sum is above the value
                first, half = 0, outcomes >> 1
                while half > 0:
                    first += half * (sums[row, first + half - 1] <= value)
                    half >>= 1
                found[row, first] += 1.0
