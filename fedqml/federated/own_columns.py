"""The mean of updates but for some columns, which have a rule of their own."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.angles import Angles
from fedqml.core.errors import InputError, require
from fedqml.core.transform import Folding, Transform, by_folding
from fedqml.core.updates import Context, State, Updates, concatenate
from fedqml.federated.aggregation import weighted_mean

ColumnRule = Callable[[Updates, Context], Float[Tensor, " a"]]
"""From updates of some columns only, in rising order of client, to those columns of the step."""


def mean_but(columns: Callable[[Context], Int[Tensor, " a"]], rule: ColumnRule) -> Transform:
    """Make a server transform of federated averaging and a rule for some columns.

    Of the rows only these columns are kept; the others are taken in as they come. Rows are refused
    as ``aggregator`` does.

    Args:
        columns: which they are in a round.
        rule: what takes the mean's place there.

    Raises:
        InputError: in a round whose every row is refused.
    """
    mean = weighted_mean(lambda weight: weight)

    def fold(state: State, context: Context) -> Folding:
        own, folding = columns(context), mean.begin({}, context)
        parts: list[Updates] = []

        def add(updates: Updates) -> None:
            folding.add(updates)
            parts.append(replace(updates, delta=updates.delta[:, own]))

        def finish() -> tuple[Updates, State]:
            after, _ = folding.finish()
            given = concatenate(parts)
            sound = given.keep(torch.isin(given.clients, after.clients))
            after.delta[0, own] = rule(sound, context).to(after.delta)
            return after, state

        return Folding(add, finish)

    return by_folding(fold)


def mean_but_angles(angles: Angles, rule: ColumnRule) -> Transform:
    """Make a server transform of federated averaging and a rule for the angles.

    Args:
        angles: those of the model.
        rule: of their columns, in the order of ``angles.entries``.

    Raises:
        InputError: if the model has no angles, or the weights are those of another one; in a round
            whose every row is refused.
    """
    if not len(angles.entries):
        raise InputError(
            "The model has no trained angles, which only quantum layers have: use `mean`."
        )
    transform = mean_but(lambda context: angles.entries, rule)

    def init(params: Float[Tensor, " d"]) -> State:
        allowed = f"be those of the model, which has {len(params)} weights"
        require(angles.size == len(params), "angles.size", angles.size, allowed)
        return {}

    return replace(transform, init=init)
