"""How close a row is to the others, the measure of Krum and its kin."""

from jaxtyping import Float
from torch import Tensor


def krum_scores(distances: Float[Tensor, "k k"], f: int) -> Float[Tensor, " k"]:
    """Return each row's sum of squared distances to its ``k - f - 2`` nearest others.

    Of fewer than ``2f + 3`` rows, which are less than Krum's bound, the ``f + 1`` nearest count.

    Args:
        distances: squared, between all rows.
        f: how many rows may be anything.

    Example:
        >>> import torch
        >>> from fedqml.federated.columns import squared_distances
        >>> krum_scores(squared_distances(torch.tensor([[0.0], [1.0], [3.0], [9.0]])), 0)
        tensor([ 10.,   5.,  13., 100.], dtype=torch.float64)

    Source: Blanchard et al., "Machine learning with adversaries: Byzantine tolerant gradient
    descent", NeurIPS 2017, section 4.
    """
    nearest = max(f + 1, len(distances) - f - 2)
    return distances.sort(1).values[:, 1 : nearest + 1].sum(1)
