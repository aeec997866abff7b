"""Deal rows out to clients in given shares, so that nobody stays empty."""

import numpy as np
from jaxtyping import Float64, Int

from fedqml.core.errors import InputError
from fedqml.core.random import shuffled

Rows = Int[np.ndarray, " _"]


def dealt(rows: Rows, shares: Float64[np.ndarray, " clients"]) -> list[Rows]:
    """Cut rows into pieces as long as the shares say, rounded so that none is lost.

    Example:
        >>> [piece.tolist() for piece in dealt(np.arange(4), np.array([0.5, 0.0, 0.5]))]
        [[0, 1], [], [2, 3]]
    """
    # Rounded: a sum of shares that are exact in decimals may lie just below a whole number.
    ends = np.rint(np.cumsum(shares[:-1]) * len(rows)).astype(np.int64)
    return np.split(rows, ends)


def filled(held: list[Rows], least: int, rng: np.random.Generator) -> list[Rows]:
    """Give every client at least so many rows, one by one from whoever has most then.

    Args:
        held: the rows of each client.
        least: how many each must have; with 0, nothing moves.
        rng: decides which row moves.

    Raises:
        InputError: if there are too few rows, or, with ``least`` 0, a client has none.

    Example:
        >>> from fedqml.core.random import stream
        >>> kept = filled([np.arange(4), np.arange(0)], 1, stream(0, "x"))
        >>> [len(rows) for rows in kept]
        [3, 1]
    """
    sizes = np.array([len(rows) for rows in held])
    if sizes.sum() < least * len(held):
        raise InputError(
            f"Argument `least` must leave {len(held)} clients room in {sizes.sum()} rows, but "
            f"least={least}."
        )
    if least == 0:
        empty = np.flatnonzero(sizes == 0).tolist()
        if empty:
            raise InputError(
                f"The split leaves these clients without a row: {', '.join(map(str, empty))}. With "
                "`least = 1` each gets one from whoever has most; another seed, more rows or fewer "
                "clients help, too."
            )
        return held
    held = list(held)
    for client in np.flatnonzero(sizes < least).tolist():
        while sizes[client] < least:
            giver = int(np.argmax(sizes))
            place = int(shuffled(int(sizes[giver]), rng)[0])
            held[client] = np.append(held[client], held[giver][place])
            held[giver] = np.delete(held[giver], place)
            sizes[client] += 1
            sizes[giver] -= 1
    return held
