"""Updates that get lost on their way."""

import torch

from fedqml.core.errors import require
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.arrival import arrived


def lossy_link(loss: float) -> Transform:
    """Return the channel that loses each client's update with a probability.

    Args:
        loss: the probability, in [0, 1).

    Raises:
        InputError: if ``loss`` is out of range; in a round of which nothing arrives.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(100), torch.ones(100, 1), torch.ones(100), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> 60 < len(lossy_link(0.25).apply(u, {}, context)[0].clients) < 90
        True

    Source: Elias, "Coding for two noisy channels", 1955 (erasure channel).
    """
    require(0 <= loss < 1, "loss", loss, "be in [0, 1)")

    def apply(updates: Updates, context: Context) -> Updates:
        draws = [rng.random() for rng in context.rngs("link", updates.clients.tolist())]
        return arrived(updates, torch.tensor(draws) >= loss, context)

    return stateless(apply)
