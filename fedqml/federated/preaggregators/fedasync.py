"""Mix the global model with a client's own."""

from dataclasses import replace

import torch

from fedqml.core.errors import InputError, require
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import collected, require_own_rows, sound
from fedqml.federated.staleness import Decay, staleness


def fedasync(alpha: float = 0.6, decay: Decay | None = None) -> Transform:
    """Return the updates that move the global model towards the clients' own.

    ``delta_i <- a_i (x_i + delta_i - x)``, ``a_i = alpha g(s_i)``, with x the global weights now,
    x_i those that client i began with and s_i its staleness. One update a step with the mean behind
    it is FedAsync, ``x <- (1 - a) x + a x_new``; of several the mean takes the mean step. Unlike
    FedBuff's, a stale client's model pulls x back towards where that client began.

    It stands before rules that mix rows. Rows are refused as by an aggregator.

    Args:
        alpha: in (0, 1].
        decay: g, such as ``polynomial()`` or ``hinge(...)``; 1 if left out.

    Raises:
        InputError: if ``alpha`` is out of range; without a clock; behind a rule that has left other
            rows than the clients'; in a round whose every row is refused.

    Example:
        >>> u = Updates(torch.arange(1), torch.tensor([[1.0]]), torch.ones(1),
        ...     {"staleness": torch.tensor([1.0])})
        >>> x, began = torch.tensor([[4.0]]), {0: torch.tensor([3.0])}
        >>> context = Context(2, torch.arange(1), x, seed=0, begun=began)
        >>> x + fedasync(alpha=0.5).apply(u, {}, context)[0].delta  # half-way from 4 to 3 + 1
        tensor([[4.]])

    Source: Xie et al., arXiv:1903.03934, algorithm 1.
    """
    require(0 < alpha <= 1, "alpha", alpha, "be in (0, 1]")

    def apply(updates: Updates, context: Context) -> Updates:
        if len(updates.delta) != len(updates.clients):
            raise InputError("`fedasync` must come before the rules that mix rows.")
        require_own_rows(updates, "`fedasync`")
        kept = collected(updates, context)
        age = staleness(kept)
        share = alpha * (decay(age) if decay else torch.ones_like(age))
        moved = context.received(kept.clients.tolist()) - context.params
        return replace(kept, delta=share[:, None] * (moved + kept.delta))

    return stateless(apply, admit=sound)
