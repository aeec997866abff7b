"""Local training that reports how much its gradients vary."""

import torch
from torch import Tensor

from fedqml.core.updates import State
from fedqml.federated.observing import observing
from fedqml.federated.plugins import Optimiser
from fedqml.federated.training import Local


def gradient_variance(optimiser: Optimiser) -> Local:
    """Return local training that reports the estimated variance of its mean gradient.

    Of the gradients g_1, ..., g_K of the round's K steps, with mean m, the report
    ``gradient_variance`` is ``sum_c sum_t (g_tc - m_c)^2 / ((K - 1) K)``, over all weights c: the
    unbiased sample variances, added up and divided by K. It measures small batches and few shots
    alike. The steps are taken for independent draws at one point; that the weights move between
    them adds to it, and that an epoch draws without replacement is not in it. With a single step it
    is undefined and reported as NaN.

    Args:
        optimiser: takes the steps, such as ``sgd``; its epochs and batches are the rule's.

    Raises:
        InputError: before training, if the optimiser trains other weights than the model's.

    Example:
        >>> from fedqml.federated.local import sgd
        >>> rule = gradient_variance(sgd(lr=0.1))
        >>> params, state = torch.zeros(2), rule.init(torch.zeros(2))
        >>> for gradient in (torch.tensor([1.0, 0.0]), torch.tensor([3.0, 0.0])):
        ...     params, state = rule.step(params, gradient, state)
        >>> rule.reports(state)
        {'gradient_variance': tensor(1.)}

    Source: Welford, Technometrics 4 (1962) 419, for the running sums.
    """

    def first(params: Tensor) -> State:
        return {
            "mean": torch.zeros_like(params),
            "spread": torch.zeros((), dtype=torch.float64),
        }

    def see(gradient: Tensor, seen: State) -> State:
        away = gradient - seen["mean"]
        mean = seen["mean"] + away / seen["steps"].to(gradient.dtype)
        spread = seen["spread"] + (away * (gradient - mean)).sum(dtype=torch.float64)
        return {"mean": mean, "spread": spread}

    def tell(seen: State) -> Tensor:
        steps = seen["steps"]
        return (seen["spread"] / ((steps - 1) * steps)).to(seen["mean"].dtype)

    return observing(optimiser, "gradient_variance", first, see, tell)
