"""The outcomes ±1 of observables that are measured together.

There are 2^k sets of outcomes of k observables, and as many subsets of the observables. Bit j of a
number, counted from the highest, says whether the outcome of observable j is -1, or whether j is in
the subset.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.hashing import fold, uniform
from fedqml.quantum.native.call import available

# Shots that share a key, and numbers drawn at a time: they fit in a core's cache.
_DRAWN = 1 << 16


def transform(values: Float[Tensor, "rows outcomes"]) -> Float[Tensor, "rows outcomes"]:
    """Return the Walsh-Hadamard transform, v'_a = Σ_b (-1)^(number of common bits of a and b) v_b.

    Args:
        values: (rows, 2^k).

    Returns:
        The same shape. Of probabilities of outcomes, these are the expectation values of the
        products of subsets.

    Example:
        >>> transform(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))
        tensor([[ 1111.,  -909., -1089.,   891.]])
    """
    rows, count = values.shape
    for _ in range(count.bit_length() - 1):
        # each pass transforms the highest bit and makes it the lowest one
        low, high = values.reshape(rows, 2, count // 2).unbind(1)
        values = torch.stack([low + high, low - high], -1).flatten(1)
    return values


def probabilities(moments: Float[Tensor, "rows subsets"]) -> Float[Tensor, "rows outcomes"]:
    """Return the joint distribution, p(s) = 2^-k Σ_S (∏_{j∈S} s_j) ⟨∏_{j∈S} P_j⟩.

    Args:
        moments: the expectation values of the products of all subsets; (rows, 2^k).

    Returns:
        Probabilities, (rows, 2^k); those that rounding made negative are 0.

    Example:
        >>> probabilities(torch.tensor([[1.0, 0.0, 0.0, 1.0]]))  # always equal
        tensor([[0.5000, 0.0000, 0.0000, 0.5000]])
    """
    return (transform(moments) / moments.shape[-1]).clamp(min=0)


def draw_counts(
    probabilities: Float[Tensor, "rows outcomes"], key: Int[Tensor, " rows"], shots: int
) -> Float[Tensor, "rows outcomes"]:
    """Draw outcomes and count them.

    Args:
        probabilities: of the outcomes; a row's sum may differ from 1 by rounding.
        key: up to 63 bits, for every row.
        shots: how many are drawn in a row, at least 1.

    Returns:
        How often each outcome was drawn; (rows, outcomes). NaN in rows whose probabilities are no
        numbers.

    Example:
        >>> fair = torch.tensor([[0.5, 0.0, 0.0, 0.5]])
        >>> heads, *never, tails = draw_counts(fair, torch.tensor([7]), shots=1000)[0].tolist()
        >>> never, heads + tails, abs(heads - 500) < 80
        ([0.0, 0.0], 1000.0, True)

    Source:
        Devroye, Non-Uniform Random Variate Generation, 1986, section III.2 (inversion).
    """
    cumulative = probabilities.double().cumsum(-1)
    cumulative = cumulative / cumulative[:, -1:]  # the last is 1 and above every draw
    known = cumulative[:, -1:].isfinite()
    cumulative = cumulative.where(known, 1.0)  # NaN has no place among draws, and is put back
    counts = torch.zeros_like(cumulative)
    draw = _count_compiled if cumulative.device.type == "cpu" and available() else _count
    draw(cumulative, key, shots, counts)
    return counts.where(known, torch.nan).to(probabilities.dtype)


def _count_compiled(cumulative: Tensor, key: Tensor, shots: int, counts: Tensor) -> None:
    # late, as LLVM is large
    from fedqml.quantum.native.shots import count

    block, key = min(_DRAWN, shots), key.contiguous()
    memory = np.empty((2, block), np.uint32)
    places = [tensor.data_ptr() for tensor in (cumulative, key, counts)]
    count(np.empty(0))(*places[:2], *cumulative.shape, shots, block, memory.ctypes.data, places[2])


def _count(cumulative: Tensor, key: Tensor, shots: int, counts: Tensor) -> None:
    """Count as the compiled loop does, by PyTorch's own operations."""
    rows, outcomes = cumulative.shape
    # what a row draws depends on its key alone, so blocks of shots are numbered, rows are not
    size = max(1, _DRAWN // min(shots, _DRAWN))
    for start in range(0, rows, size):
        part = slice(start, start + size)
        table = cumulative[part].contiguous()
        first = torch.arange(len(table), device=table.device)[:, None] * outcomes
        for block, done in enumerate(range(0, shots, _DRAWN)):
            keys = fold(key[part], torch.tensor(block, device=key.device))
            drawn = uniform(keys, min(_DRAWN, shots - done))
            # right: an outcome without probability is never hit
            places = torch.searchsorted(table, drawn, right=True) + first
            found = torch.bincount(places.flatten(), minlength=table.numel())
            counts[part] += found.view_as(table)
