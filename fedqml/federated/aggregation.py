"""What every aggregator owes its users, whatever its rule."""

from collections.abc import Callable
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates

Rule = Callable[[Float[Tensor, "k d"], Float[Tensor, " k"]], Float[Tensor, "1 d"]]
"""From updates and their weights to the one row that stands for them."""


def aggregator(rule: Rule) -> Transform:
    """Make a server transform of a rule on finite rows in the order of their clients.

    Rows with NaN or infinities, or with a weight that is not a positive number, are refused
    first and their clients recorded; sorting by client
    makes the result independent of the order of arrival.

    Raises:
        InputError: in a round whose every row is refused.
    """

    def apply(updates: Updates, context: Context) -> Updates:
        if len(updates.delta) != len(updates.clients):
            raise InputError(
                f"An aggregator needs a row for each of the {len(updates.clients)} clients, but "
                f"there are {len(updates.delta)}: another aggregator comes before it."
            )
        sound = updates.weight.isfinite() & (updates.weight > 0)
        finite = updates.delta.isfinite().all(1) & sound
        if not finite.any():
            raise InputError(
                f"In round {context.round} every update has NaN or infinite entries: training has "
                "diverged. A smaller learning rate is the usual cure."
            )
        kept = (updates if finite.all() else updates.keep(finite)).sorted()
        return replace(kept, delta=rule(kept.delta, kept.weight))

    return stateless(apply)
