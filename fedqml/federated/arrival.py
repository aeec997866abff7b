"""What is left of a round's updates behind a channel that loses some."""

from dataclasses import replace

from jaxtyping import Bool
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.updates import Context, Updates


def arrived(updates: Updates, rows: Bool[Tensor, " k"], context: Context) -> Updates:
    """Return the updates of some rows; the others' clients are lost, and not refused.

    Raises:
        InputError: if no row is left.
    """
    if not rows.any():
        raise InputError(
            f"In round {context.round} no update arrived: a channel that loses fewer, or more "
            "clients a round, are needed."
        )
    return replace(updates.keep(rows), refused=updates.refused)
