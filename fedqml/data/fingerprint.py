"""A digest that names data exactly, the same on every machine."""

import hashlib
import json
from collections.abc import Iterable

from torch import Tensor

# Copied together.
_BYTES = 1 << 24


def digest(names: Iterable[str], tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return the SHA-256 of texts and named tensors in a canonical form.

    Each tensor goes in as one line of JSON with its name, type and shape, then its values,
    row by row and little endian.

    Args:
        names: texts, in an order that matters.
        tensors: a name and a tensor each, in an order that matters.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import torch
        >>> digest(["a"], [("x", torch.zeros(2))])[:8]
        'e9a7a490'
    """
    sha = hashlib.sha256(_line(list(names)))
    for name, tensor in tensors:
        array = tensor.detach().cpu().numpy()
        sha.update(_line([name, array.dtype.name, list(array.shape)]))
        # Part by part: a copy of data that are mapped from the disk may not fit the memory.
        rows = array.reshape(len(array), -1) if array.ndim and array.size else array.reshape(1, -1)
        part = max(1, _BYTES // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), part):
            values = rows[start : start + part]
            sha.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
    return sha.hexdigest()


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
