"""A digest that names data exactly, the same on every machine."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from torch import Tensor

# Copied together.
_BYTES = 1 << 24


class Digest:
    """The SHA-256 of texts and named tensors in a canonical form, kept once it is computed.

    Each tensor goes in as one line of JSON with its name, type and shape, then its values,
    row by row and little endian. It is computed anew after a tensor was changed in place by
    PyTorch; a change that PyTorch does not know of, as through the NumPy array under a tensor, goes
    unnoticed.

    Args:
        names: texts, in an order that matters.
        tensors: a name and a tensor each, in an order that matters.

    Example:
        >>> import torch
        >>> kept = Digest(["a"], [("x", torch.zeros(2))])
        >>> kept.extended([])[:8], kept.extended([("y", torch.zeros(2))])[:8]
        ('e9a7a490', '2a0a40dd')
    """

    def __init__(self, names: Iterable[str], tensors: Iterable[tuple[str, Tensor]]) -> None:
        self._names, self._tensors = tuple(names), tuple(tensors)
        self._kept: tuple[Any, tuple[int, ...]] | None = None

    def extended(self, tensors: Iterable[tuple[str, Tensor]]) -> str:
        """Return the digest as if these tensors followed, in 64 hexadecimal digits."""
        versions = self._versions()
        kept = self._kept
        if kept is None or versions is None or kept[1] != versions:
            sha = hashlib.sha256(_line(list(self._names)))
            for name, tensor in self._tensors:
                _add(sha, name, tensor)
            kept = self._kept = (sha, versions or ())
        longer = kept[0].copy()
        for name, tensor in tensors:
            _add(longer, name, tensor)
        return str(longer.hexdigest())

    def __reduce__(self) -> tuple[Any, ...]:
        # Half a hash cannot be pickled.
        return Digest, (self._names, self._tensors)

    def _versions(self) -> tuple[int, ...] | None:
        """Return how often PyTorch changed each tensor, where it counts that."""
        if any(tensor.is_inference() for _, tensor in self._tensors):
            return None
        return tuple(tensor._version for _, tensor in self._tensors)


def _add(sha: Any, name: str, tensor: Tensor) -> None:
    array = tensor.detach().cpu().numpy()
    sha.update(_line([name, array.dtype.name, list(array.shape)]))
    # Part by part: a copy of data that are mapped from the disk may not fit the memory.
    rows = array.reshape(len(array), -1) if array.ndim and array.size else array.reshape(1, -1)
    part = max(1, _BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), part):
        values = rows[start : start + part]
        sha.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
