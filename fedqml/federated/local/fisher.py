"""Local training that reports how much each weight matters to its data."""

import torch
from torch import Tensor

from fedqml.core.updates import State
from fedqml.federated.observing import observing
from fedqml.federated.plugins import Optimiser
from fedqml.federated.training import Local


def fisher(optimiser: Optimiser) -> Local:
    """Return local training that reports the diagonal of an empirical Fisher matrix.

    The report ``fisher`` is ``F_c = 1/K sum_t g_tc^2``, with the gradients g_1, ..., g_K of the
    round's K steps. They are those of batches: where gradients of single examples, whose squares
    make the empirical Fisher matrix, vary much more than their mean, F is smaller by the batch
    size. Clients compare if their batches are of one size. It is as long as the model, and doubles
    the bytes up.

    Args:
        optimiser: takes the steps, such as ``sgd``; its epochs and batches are the rule's.

    Raises:
        InputError: before training, if the optimiser trains other weights than the model's.

    Example:
        >>> from fedqml.federated.local import sgd
        >>> rule = fisher(sgd(lr=0.1))
        >>> params, state = torch.zeros(2), rule.init(torch.zeros(2))
        >>> for gradient in (torch.tensor([1.0, 0.0]), torch.tensor([3.0, 0.0])):
        ...     params, state = rule.step(params, gradient, state)
        >>> rule.reports(state)
        {'fisher': tensor([5., 0.])}

    Source: Matena and Raffel, arXiv:2111.09832 (Fisher merging), there for gradients of examples.
    """

    def first(params: Tensor) -> State:
        return {"squares": torch.zeros_like(params)}

    def see(gradient: Tensor, seen: State) -> State:
        return {"squares": seen["squares"] + gradient**2}

    def tell(seen: State) -> Tensor:
        return seen["squares"] / seen["steps"].to(seen["squares"].dtype)

    return observing(optimiser, "fisher", first, see, tell)
