"""Adam on the server."""

from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.federated.adaptive import adaptive


def adam(lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.99, tau: float = 1e-3) -> Transform:
    """Return Adam on the aggregate: ``v <- beta2 v + (1 - beta2) delta^2``.

    ``m <- beta1 m + (1 - beta1) delta``, ``step = lr m / (sqrt(v) + tau)``, from ``m = 0`` and
    ``v = tau^2``, without a correction of the first steps.

    Args:
        lr: the server's learning rate.
        beta1: decay of the first moment, in [0, 1).
        beta2: decay of the second moment, in [0, 1).
        tau: how adaptive it is, the less the more; positive.

    Raises:
        InputError: if a value is out of range; in a round that no aggregator has left one row of.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(1), torch.tensor([[1.0]]), torch.ones(1), {})
        >>> rule = adam(lr=1.0)
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> rule.apply(u, rule.init(torch.zeros(1)), context)[0].delta
        tensor([[0.9901]])

    Source: Reddi et al., arXiv:2003.00295, algorithm 2 (FedAdam).
    """
    require(0 <= beta2 < 1, "beta2", beta2, "be in [0, 1)")
    return adaptive(lambda v, square: beta2 * v + (1 - beta2) * square, lr, beta1, tau)
