"""How many bytes an update takes on the wire."""

from jaxtyping import Float
from torch import Tensor

BYTES = "bytes_up"
"""The metric under which a client says how many bytes it sends, if not all of its numbers."""
_INDEX = 4


def coded(rows: Float[Tensor, "k d"], bits: int) -> Float[Tensor, " k"]:
    """Return each row's bytes: of all numbers, or of those that are not 0 with their places.

    Whichever is less.

    Args:
        rows: the numbers.
        bits: for each of them; a place takes 4 bytes.

    Example:
        >>> import torch
        >>> coded(torch.tensor([[0.0, 0.0, 5.0], [1.0, 2.0, 3.0]]), 32)
        tensor([ 8., 12.], dtype=torch.float64)
    """
    # Beside other metrics, but in float32 bytes would lose digits.
    sparse = (rows != 0).sum(1).double() * (_INDEX + bits / 8)
    return sparse.clamp(max=rows.shape[1] * bits / 8).ceil()
