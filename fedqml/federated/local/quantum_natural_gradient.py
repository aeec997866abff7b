"""Local training along the natural gradient of the circuit's state."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor
from torch.func import grad_and_value

from fedqml.core.errors import InputError, require
from fedqml.federated.plugins import Optimiser
from fedqml.federated.training import Gradient, Local, Loss, require_rule

Metric = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``(params, rows, mask) -> g``: a metric's diagonal, averaged over a batch."""


def quantum_natural_gradient(optimiser: Optimiser, metric: Metric, damping: float = 0.01) -> Local:
    """Return local training with ``grad_c / (g_c + l)`` in the gradient's place.

    g is the diagonal of the Fubini-Study metric of the model's circuits at the current weights,
    averaged over the batch: how far the state moves, not the weight, sets the length of a step. For
    weights outside of circuits g is 1, so their gradients stay as they are but for l. As g is at
    most 1/4 where a weight turns one qubit, steps are some four times longer than with the plain
    gradient or more. With the mean on the server it is federated quantum natural gradient descent.

    Of the metric only the diagonal is used, not the blocks of a layer. It is simulated exactly,
    whatever device the client has; costs in the history do not count it. There is no step in place.

    Args:
        optimiser: takes the steps, such as ``sgd``; its epochs and batches are the rule's.
        metric: g, as ``fq.fubini_study(task)`` has it; in experiment files it comes from the model.
        damping: l, positive: bounds the steps of weights that do not move the state.

    Raises:
        InputError: if the damping is not positive, or the optimiser has a gradient of its own or
            reports something.

    Example:
        >>> import torch
        >>> from fedqml.federated.local import sgd
        >>> rule = quantum_natural_gradient(sgd(), lambda p, rows, mask: 0.24 + 0 * p)
        >>> none = torch.zeros(0)
        >>> natural = rule.differentiate(lambda p, rows, mask, key: p.sum())
        >>> gradient, value = natural(torch.ones(2), none, none, none)
        >>> gradient
        tensor([4., 4.])

    Source: Stokes et al., arXiv:1909.02108 (the gradient, there by blocks); Qi, Zhang and Tejedor,
    arXiv:2209.00564 (FQNGD).
    """
    require_rule(optimiser)
    require(damping > 0, "damping", damping, "be positive")
    if optimiser.differentiate is not grad_and_value or optimiser.report:
        raise InputError(
            "`quantum_natural_gradient` must be built around an optimiser that takes plain "
            "gradients, which ditto does not, and that reports nothing: `fisher` would report "
            "natural ones."
        )

    def differentiate(loss: Loss) -> Gradient:
        one = optimiser.differentiate(loss)

        def natural(
            params: Tensor, rows: Tensor, mask: Tensor, key: Tensor
        ) -> tuple[Tensor, Tensor]:
            gradient, value = one(params, rows, mask, key)
            return gradient / (metric(params, rows, mask) + damping), value

        return natural

    return replace(optimiser, differentiate=differentiate, in_place=None)
