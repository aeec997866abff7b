"""Holding out a part of the rows so that it resembles the rest."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Int

from fedqml.core.errors import InputError, require
from fedqml.core.random import shuffled

Rows = Int[np.ndarray, " _"]
Table = Int[np.ndarray, "owners classes"]


def stratified_split(
    labels: Int[np.ndarray, " rows"],
    test_fraction: float,
    rng: np.random.Generator,
    owners: Sequence[str] | None = None,
) -> tuple[Rows, Rows]:
    """Split rows at random into a training and a test part with the same mix of classes.

    A class with ``n`` rows has ``test_fraction * n`` of them in the test part, rounded down or
    up so that the part's total is the nearest whole number to its share. Every class with two
    rows or more is in both parts, a class with one row only in the training part; if that needs
    more test rows than the total, the test part is larger.

    With owners, each keeps at least one training row and gives test rows in proportion to its
    rows, in all and of each class. A class has no test row if that would leave an owner without
    training rows. All sums are over whole numbers, so the split is the same on every machine.

    Args:
        labels: class index of each row.
        test_fraction: share of the test part, between 0 and 1, taken to six decimals.
        rng: the random stream.
        owners: owner of each row.

    Returns:
        The rows of the training part and those of the test part, each in rising order.

    Raises:
        InputError: for a fraction outside (0, 1), or if no row can be held out.

    Example:
        >>> from fedqml.core.random import stream
        >>> labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
        >>> train, test = stratified_split(labels, 1 / 3, stream(0, "example"))
        >>> np.bincount(labels[train]), np.bincount(labels[test])
        (array([4, 2]), array([2, 1]))
    """
    require(0 < test_fraction < 1, "test_fraction", test_fraction, "lie between 0 and 1")
    # As its user wrote it: 0.2 is one fifth, so what is a tie on paper is a tie here.
    share = Fraction(str(float(test_fraction))).limit_denominator(10**6)
    names, owner = np.unique(
        ["all"] * len(labels) if owners is None else owners, return_inverse=True
    )
    counts = np.zeros((len(names), int(labels.max()) + 1), dtype=np.int64)
    np.add.at(counts, (owner, labels), 1)
    # Ties between owners go by chance, or the first in the alphabet would give most.
    chance = shuffled(len(names), rng)
    taken = _allocate(counts[chance], share)[np.argsort(chance)]
    if not taken.any():
        raise InputError(
            "The training data must have a class with two rows that are not the only rows of their "
            f"owners, but none of its {len(labels)} rows can be held out for the test."
        )
    order = shuffled(len(labels), rng)
    stratum = (owner * counts.shape[1] + labels)[order]
    order = order[np.argsort(stratum, kind="stable")]
    sizes = counts.ravel()
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held_out = rank < np.repeat(taken.ravel(), sizes)
    return np.sort(order[~held_out]), np.sort(order[held_out])


def _allocate(counts: Table, share: Fraction) -> Table:
    """Return how many rows of each owner and class go to the test part."""
    wanted = _quotas(counts.sum(axis=0), share)
    taken = counts * share.numerator // share.denominator
    _represent_all(counts, taken, share)
    while True:
        # The class that lacks most goes next, with the owner that is furthest behind.
        room = taken.sum(axis=1) < counts.sum(axis=1) - 1
        lack = wanted - taken.sum(axis=0)
        open_cells = room[:, None] & (taken < counts) & (lack > 0)
        if not open_cells.any():
            return taken
        label = int(np.argmax(np.where(open_cells.any(axis=0), lack, 0)))
        behind = _behind(counts, taken, label, share)
        behind[~open_cells[:, label]] = behind.min() - 1
        taken[int(np.argmax(behind)), label] += 1


def _behind(counts: Table, taken: Table, label: int, share: Fraction) -> Rows:
    """Return how far each owner is behind its share, of this class and of all together.

    One more row lowers the sum of the squared distances from both shares most where the sum of
    the distances is largest.
    """
    due = (counts[:, label] + counts.sum(axis=1)) * share.numerator
    return due - (taken[:, label] + taken.sum(axis=1)) * share.denominator


def _quotas(sizes: Int[np.ndarray, " classes"], share: Fraction) -> Int[np.ndarray, " classes"]:
    """Return the number of test rows of each class, by the method of largest remainders."""
    p, q = share.numerator, share.denominator
    wanted = np.maximum(sizes * p // q, sizes >= 2)
    total = (2 * int(sizes.sum()) * p + q) // (2 * q)
    # Among equal remainders the larger class gets the row: one row changes its share least.
    by_remainder = np.lexsort((-sizes, wanted * q - sizes * p))
    short = (wanted * q < sizes * p) & (wanted < sizes - 1)
    may_grow = by_remainder[short[by_remainder]]
    wanted[may_grow[: max(0, total - int(wanted.sum()))]] += 1
    return wanted


def _represent_all(counts: Table, taken: Table, share: Fraction) -> None:
    """Give each class of two rows or more a test row, where every owner can keep a training row.

    An owner can lend only so many of its rows. As in a bipartite matching, a class for which no
    owner has room makes another class move to another owner, along a shortest path of moves.
    """
    room = counts.sum(axis=1) - 1 - taken.sum(axis=1)
    lent: list[list[int]] = [[] for _ in counts]
    for missing in np.flatnonzero((counts.sum(axis=0) >= 2) & (taken.sum(axis=0) == 0)):
        reached: dict[int, tuple[int, int | None]] = {}
        queue: list[tuple[int, int | None]] = [(int(missing), None)]
        end = None
        for label, origin in queue:
            behind = _behind(counts, taken, label, share)
            for owner in np.argsort(-behind, kind="stable").tolist():
                if counts[owner, label] and owner not in reached:
                    reached[owner] = (label, origin)
                    queue.extend((moved, owner) for moved in lent[owner])
            end = next((owner for owner in reached if room[owner] > 0), None)
            if end is not None:
                room[end] -= 1
                break
        while end is not None:
            label, origin = reached[end]
            lent[end].append(label)
            taken[end, label] += 1
            if origin is not None:
                lent[origin].remove(label)
                taken[origin, label] -= 1
            end = origin
