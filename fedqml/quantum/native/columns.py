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
        columns: for each of them ``code``, which function, as in ``CODES``, and ``start``, the
            first of its arguments; the last entry is the end.
        arguments: for each of them ``place``, which input or weight, and ``from_input``.
        mixed: how many columns read inputs; they come first.
    """

    columns: NDArray[np.void]
    arguments: NDArray[np.void]
    mixed: int


COLUMN = np.dtype([("code", np.int64), ("start", np.int64)])
ARGUMENT = np.dtype([("place", np.int64), ("from_input", np.int64)])


def tabulate(of_inputs: Sequence[Column], of_weights: Sequence[Column]) -> Columns | None:
    """Return the tables of columns.

    Args:
        of_inputs: those that read inputs, perhaps with weights.
        of_weights: those that read weights alone.

    Returns:
        The tables; None if a map is not among ``CODES``.

    Example:
        >>> tabulate([("arctan", (0,), ())], [("identity", (), (2,))]).arguments["place"]
        array([0, 2])
    """
    whole = [*of_inputs, *of_weights]
    if any(name not in CODES for name, _, _ in whole):
        return None
    codes = [CODES[name] for name, _, _ in whole]
    starts = np.cumsum([0, *(len(inputs) + len(weights) for _, inputs, weights in whole)])
    arguments = [
        (index, k < len(inputs))
        for _, inputs, weights in whole
        for k, index in enumerate((*inputs, *weights))
    ]
    return Columns(
        columns=np.array(list(zip([*codes, PRODUCT], starts, strict=True)), dtype=COLUMN),
        arguments=np.array(arguments, dtype=ARGUMENT),
        mixed=len(of_inputs),
    )
