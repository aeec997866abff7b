"""Packing items that lie on wires into columns."""

from collections.abc import Collection, Iterable


def pack(items: Iterable[Collection[int]], n_wires: int) -> list[list[int]]:
    """Put every item in the first column behind all earlier items on the same wires.

    Args:
        items: the wires that each item occupies, in the order of time.
        n_wires: how many wires there are.

    Returns:
        For every column the numbers of its items.

    Example:
        >>> pack([(0,), (1,), (0, 1), (2,)], n_wires=3)
        [[0, 1, 3], [2]]
    """
    free = [0] * n_wires
    columns: list[list[int]] = []
    for number, wires in enumerate(items):
        column = max(free[wire] for wire in wires)
        if column == len(columns):
            columns.append([])
        columns[column].append(number)
        for wire in wires:
            free[wire] = column + 1
    return columns
