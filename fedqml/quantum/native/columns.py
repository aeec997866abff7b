"""The numbers that angles are linear in, as tables for the kernels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedqml.quantum.angle import Column

PRODUCT, ARCTAN, ARCTAN_SQUARE = range(3)
# the identity is the product of one number
CODES = {
    "identity": PRODUCT,
    "product": PRODUCT,
    "arctan": ARCTAN,
    "arctan_square": ARCTAN_SQUARE,
}
"""The maps that the loops know."""


class Columns(NamedTuple):
    """The numbers that angles are linear in, in the order of ``Program``.

    Args:
        mixed: how many read inputs; they come first.
        code: which function, as in ``CODES``; (columns,).
        cuts: its arguments are those from entry c up to entry c + 1; (columns + 1,).
        place: which input or weight; (arguments,).
        from_input: whether it is an input; (arguments,).
    """

    mixed: int
    code: NDArray[np.int64]
    cuts: NDArray[np.int64]
    place: NDArray[np.int64]
    from_input: NDArray[np.bool_]


def tabulate(of_inputs: Sequence[Column], of_weights: Sequence[Column]) -> Columns | None:
    """Return the tables of columns.

    Args:
        of_inputs: those that read inputs, perhaps with weights.
        of_weights: those that read weights alone.

    Returns:
        The tables; None if a map is not among ``CODES``.

    Example:
        >>> tabulate([("arctan", (0,), ())], [("identity", (), (2,))]).place
        array([0, 2])
    """
    whole = [*of_inputs, *of_weights]
    if any(name not in CODES for name, _, _ in whole):
        return None
    arguments = [
        (index, k < len(inputs))
        for _, inputs, weights in whole
        for k, index in enumerate((*inputs, *weights))
    ]
    return Columns(
        mixed=len(of_inputs),
        code=np.array([CODES[name] for name, _, _ in whole], dtype=np.int64),
        cuts=np.cumsum([0, *(len(inputs) + len(weights) for _, inputs, weights in whole)]),
        place=np.array([index for index, _ in arguments], dtype=np.int64),
        from_input=np.array([from_input for _, from_input in arguments], dtype=bool),
    )
