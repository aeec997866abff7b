"""Numbers too small for full precision, which processors handle many times more slowly."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Let results below the smallest normal number (1.2e-38 in single precision) become 0.

    A moment of Adam whose gradient has become 0, as behind a ReLU that is never active any more, is
    multiplied by 0.9 in every step until it is such a number, and stays one; with millions of them
    a step takes several times as long. They have no effect on any weight.

    It holds for the calling thread and those that it begins inside: enter it before PyTorch
    computes with several. Threads that it began go on so after it has been left.

    Example:
        >>> tiny = torch.tensor(1e-37)
        >>> with denormals_as_zero():
        ...     float(tiny / 100)
        0.0
        >>> float(tiny / 100) > 0
        True
    """
    # PyTorch tells what was set only by what it does.
    before = bool(torch.full((), torch.finfo(torch.float32).tiny) / 2 == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
