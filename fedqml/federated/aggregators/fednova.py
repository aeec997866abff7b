"""The mean of updates that took unequal numbers of steps."""

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.transform import Folding, Transform, by_folding
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.aggregation import weighted_mean


def fednova(momentum: float = 0.0) -> Transform:
    """Return federated averaging that does not favour clients which take more steps.

    ``(sum_i p_i a_i) sum_i p_i delta_i / a_i`` with ``p_i = n_i / sum_j n_j`` and a_i what client
    i's K_i steps weigh: ``K`` for plain SGD, ``(K - m (1 - m^K) / (1 - m)) / (1 - m)`` with
    momentum m. Plain averaging has the optimum of another objective, with weights ``p_i a_i``.

    Args:
        momentum: m of the clients' SGD, in [0, 1). For other optimisers, such as Adam, whose steps
            have no fixed weight, leave it 0.

    Raises:
        InputError: for a momentum out of range; in a round whose every update is refused.

    Example:
        >>> import torch
        >>> u = Updates(torch.arange(2), torch.tensor([[1.0], [9.0]]), torch.ones(2),
        ...     {"train_loss": torch.zeros(2), "steps": torch.tensor([1.0, 3.0])})
        >>> context = Context(1, torch.arange(2), torch.zeros(1, 1), seed=0)
        >>> fednova().apply(u, {}, context)[0].delta
        tensor([[4.]])

    Source: Wang et al., arXiv:2007.07481, equation 5 and section 4.1 (local momentum).
    """
    require(0 <= momentum < 1, "momentum", momentum, "be in [0, 1)")
    # sum_i p_i delta_i / a_i is a mean with the weights n_i / a_i, but for a factor.
    mean = weighted_mean(lambda weight: weight)

    def length(updates: Updates) -> Float[Tensor, " k"]:
        steps = updates.metrics["steps"]
        return (steps - momentum * (1 - momentum**steps) / (1 - momentum)) / (1 - momentum)

    def fold(state: State, context: Context) -> Folding:
        folding = mean.begin({}, context)

        def add(updates: Updates) -> None:
            folding.add(replace(updates, weight=updates.weight / length(updates)))

        def finish() -> tuple[Updates, State]:
            after, _ = folding.finish()
            weight = after.weight * length(after)
            total = weight.sum()
            factor = (weight * length(after)).sum() / total * (after.weight.sum() / total)
            return replace(after, delta=after.delta * factor, weight=weight), state

        return Folding(add, finish)

    return by_folding(fold)
