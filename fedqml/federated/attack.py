"""What attacks have in common: who attacks, and that nobody else's row changes."""

from collections.abc import Callable
from dataclasses import replace

from jaxtyping import Bool, Float, Int
from torch import Tensor

from fedqml.core.attackers import Attackers, attacking, checked, existing
from fedqml.core.errors import InputError
from fedqml.core.finite import finite_rows
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import require_own_rows

Forge = Callable[
    [Float[Tensor, "a d"], Int[Tensor, " a"], Context], Float[Tensor, "a d"] | Float[Tensor, "1 d"]
]
"""From the attackers' rows, their numbers and the context to the rows that they send."""
Collude = Callable[[Float[Tensor, "h d"], int], Float[Tensor, "1 d"]]
"""From the honest rows and the number of attackers to the row that each of these sends."""


def attackers_among(
    attackers: Attackers, clients: Int[Tensor, " k"], context: Context
) -> Bool[Tensor, " k"]:
    """Return which of the clients attack, of those of a round.

    Raises:
        InputError: if an attacker is named whom the federation does not have.
    """
    if context.population:
        existing(attackers, context.population)
    return attacking(attackers, clients, context.cohort, context.seed)


def attack(attackers: Attackers, forge: Forge) -> Transform:
    """Make a transform of what attackers make of their own rows, row by row.

    Args:
        attackers: their numbers, or a fraction of each cohort; see ``fedqml.core.attackers``.
        forge: what they send.

    Raises:
        InputError: if ``attackers`` is neither.
    """
    checked(attackers)

    def apply(updates: Updates, context: Context) -> Updates:
        theirs = attackers_among(attackers, updates.clients, context)
        if not theirs.any():
            return updates
        forged = forge(updates.delta[theirs], updates.clients[theirs], context)
        return _with(updates, theirs, forged)

    return stateless(apply)


def collusion(attackers: Attackers, collude: Collude) -> Transform:
    """Make a transform of what attackers send who know the honest rows, those that are finite.

    It stands on the server's side, before what defends it.

    Args:
        attackers: as for ``attack``.
        collude: what they send.

    Raises:
        InputError: if ``attackers`` is neither; behind a rule that mixes rows; in a round without
            honest clients.
    """
    checked(attackers)

    def apply(updates: Updates, context: Context) -> Updates:
        require_own_rows(updates, "An attack")
        # The order of arrival must not matter.
        updates = updates.sorted()
        theirs = attackers_among(attackers, updates.clients, context)
        honest = ~theirs & finite_rows(updates.delta)
        count = int(theirs.sum())
        if not count:
            return updates
        if not honest.any():
            raise InputError(
                f"In round {context.round} the {count} attackers have no honest and finite rows to "
                "hide among."
            )
        return _with(updates, theirs, collude(updates.delta[honest], count))

    return stateless(apply)


def _with(updates: Updates, theirs: Bool[Tensor, " k"], rows: Float[Tensor, "_ d"]) -> Updates:
    delta = updates.delta.clone()
    delta[theirs] = rows
    return replace(updates, delta=delta)
