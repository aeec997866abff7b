"""Stale updates count less."""

from dataclasses import replace

from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import collected, sound
from fedqml.federated.staleness import Decay, staleness


def staleness_scaling(decay: Decay) -> Transform:
    """Return the scaling ``delta_i <- g(s_i) delta_i`` by the updates' staleness s_i.

    With ``g(s) = (1 + s)^(-1/2)``, before the plain mean of K updates and, for a learning rate of
    the server, ``momentum(lr, beta=0)``, it is FedBuff: ``x <- x + lr / K sum_i g(s_i) delta_i``,
    whose sum is not divided by that of the factors. Rows are refused as by an aggregator.

    Args:
        decay: g, such as ``polynomial()``.

    Raises:
        InputError: without a clock; in a round whose every row is refused.

    Example:
        >>> import torch
        >>> from fedqml.federated.decays import polynomial
        >>> u = Updates(torch.arange(2), torch.tensor([[2.0], [2.0]]), torch.ones(2),
        ...     {"staleness": torch.tensor([0.0, 3.0])})
        >>> context = Context(4, torch.arange(2), torch.zeros(1, 1), seed=0)
        >>> staleness_scaling(polynomial()).apply(u, {}, context)[0].delta.T
        tensor([[2., 1.]])

    Source: Nguyen et al., arXiv:2106.06639, algorithm 1 and section 5.
    """

    def apply(updates: Updates, context: Context) -> Updates:
        kept = collected(updates, context)
        return replace(kept, delta=decay(staleness(kept))[:, None] * kept.delta)

    return stateless(apply, admit=sound)
