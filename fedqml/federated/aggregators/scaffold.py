"""The server's side of SCAFFOLD."""

from dataclasses import replace

import torch
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.transform import Folding, Transform, by_folding
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.aggregation import weighted_mean


def scaffold() -> Transform:
    """Return the plain mean of the updates, and keep the mean control variate u of all N clients.

    ``u <- u + 1/N sum_{i in S} ((x - y_i) / K_i - u)`` over the cohort S, with K_i the steps that
    client i took: the changes of the clients' own (see the local rule ``scaffold``, for which this
    is made). u is sent to the cohort with the weights, which doubles the bytes down.

    Raises:
        InputError: in a round whose every update is refused.

    Example:
        >>> u = Updates(torch.arange(2), torch.tensor([[-2.0], [-4.0]]), torch.ones(2),
        ...     {"train_loss": torch.zeros(2), "steps": torch.tensor([1.0, 2.0])})
        >>> context = Context(1, torch.arange(2), torch.zeros(1, 1), seed=0, population=4)
        >>> rule = scaffold()
        >>> after, state = rule.apply(u, rule.init(torch.zeros(1)), context)
        >>> after.delta, state["control"]
        (tensor([[-3.]]), tensor([1.]))

    Source: Karimireddy et al., arXiv:1910.06378, equation 5 and algorithm 1.
    """
    mean = weighted_mean(torch.ones_like)

    def fold(state: State, context: Context) -> Folding:
        if context.population < len(context.cohort):
            raise InputError("`scaffold` must know how many clients there are.")
        update, displacement = mean.begin({}, context), mean.begin({}, context)

        def add(updates: Updates) -> None:
            update.add(updates)
            per_step = updates.delta / updates.metrics["steps"][:, None]
            displacement.add(replace(updates, delta=per_step))

        def finish() -> tuple[Updates, State]:
            after, _ = update.finish()
            share = len(after.clients) / context.population
            mean_step = displacement.finish()[0].delta[0]
            return after, {"control": state["control"] - share * (mean_step + state["control"])}

        return Folding(add, finish)

    def init(params: Tensor) -> State:
        return {"control": torch.zeros_like(params)}

    return by_folding(fold, init, sends=lambda state: {"control": state["control"]})
