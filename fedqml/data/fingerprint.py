"""A digest that names data exactly, the same on every machine."""

import hashlib
import json
from collections.abc import Iterable

from torch import Tensor


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
        sha.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return sha.hexdigest()


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
