"""The mean of each coordinate without its extremes."""

from fedqml.core.transform import Transform
from fedqml.federated.aggregation import tolerant
from fedqml.federated.sorting import middle_mean


def trimmed_mean(f: int) -> Transform:
    """Return each coordinate's mean without its f smallest and its f largest entries.

    All clients count alike. Breakdown point: f of k rows may be anything, ``2f + 1 <= k``, and
    each coordinate stays between honest ones.

    Args:
        f: how many clients of a round may send anything.

    Raises:
        InputError: if ``f`` is negative; in a round with fewer than 2f + 1 rows.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> rows = torch.tensor([[1.0], [9e9], [2.0], [4.0]])
        >>> u = Updates(torch.arange(4), rows, torch.ones(4), {})
        >>> trimmed_mean(f=1).apply(u, {}, Context(1, u.clients, torch.zeros(1, 1), 0))[0].delta
        tensor([[3.]])

    Source: Yin et al., arXiv:1803.01498, definition 2.
    """
    return tolerant(middle_mean, f, 2, 1)
