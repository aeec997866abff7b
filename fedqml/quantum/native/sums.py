"""A calculation written down as sums of products, each distinct one once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int32]

Entry = tuple[int, int]
"""A number of the calculation and its sign, +1 or -1."""
ONE: Entry = (0, 1)

# Measured, with derivatives: how long a product and a leaf take, in runs of an amplitude.
PRODUCT, _LEAF = 0.7, 10


class Leaf(NamedTuple):
    """An entry of the rotation that a run makes of the Bloch sphere.

    Args:
        run: the run's number.
        row: 0, 1, 2 for X, Y, Z behind the run.
        column: 0, 1, 2 for X, Y, Z in front of it.
    """

    run: int
    row: int
    column: int


class Network(NamedTuple):
    """The calculation of expectation values, for the kernels.

    The numbers it works on are in one array: first 1, then the leaves, then the sums.

    Args:
        leaves: run, row and column of each leaf; (leaves, 3).
        cuts: the products added for sum s are those from entry 2s up to entry 2s + 1, the ones
            subtracted from there up to entry 2s + 2; (2 sums + 1,).
        factors: which two numbers are multiplied; (products, 2).
        results: which numbers are the expectation values; (observables,).
        signs: their factors 1, -1, or 0 for a value that is 0; (observables,).
    """

    leaves: Integers
    cuts: Integers
    factors: Integers
    results: Integers
    signs: NDArray[np.float64]

    @property
    def size(self) -> int:
        """How many numbers it works on."""
        return 1 + len(self.leaves) + len(self.cuts) // 2

    @property
    def extra(self) -> int:
        """How many numbers are needed beside these: none."""
        return 0

    @property
    def observables(self) -> int:
        """How many are measured."""
        return len(self.results)

    @property
    def work(self) -> int:
        """How long it takes, in runs that mix an amplitude."""
        return round(PRODUCT * len(self.factors)) + _LEAF * len(self.leaves)


class Sums:
    """Sums of products, which are written down once even if they are asked for again.

    Example:
        >>> sums = Sums()
        >>> a, b = sums.leaf(Leaf(0, 0, 0)), sums.leaf(Leaf(0, 1, 1))
        >>> total = sums.total([(a, b), (a, ONE)])
        >>> total, sums.total([(ONE, (1, -1)), ((1, -1), b)])  # -a - ab
        ((3, 1), (3, -1))
        >>> sums.tables([total]).factors
        array([[0, 1],
               [1, 2]], dtype=int32)
    """

    def __init__(self) -> None:
        self.products = 0
        self._leaves: dict[int, Leaf] = {}
        self._sums: dict[int, tuple[tuple[tuple[int, int], int], ...]] = {}
        self._numbers: dict[object, int] = {}

    def leaf(self, leaf: Leaf) -> Entry:
        """Return the entry that stands for a leaf."""
        number = len(self._leaves) + len(self._sums) + 1
        self._leaves[number] = leaf
        return number, 1

    def total(self, products: Sequence[tuple[Entry, Entry]]) -> Entry | None:
        """Return the entry Σ ab; None if the terms cancel."""
        if len(products) == 1:
            ((a, sign), (b, other)) = products[0]
            if a == 0 or b == 0:
                return a + b, sign * other
        terms: Counter[tuple[int, int]] = Counter()
        for (a, sign), (b, other) in products:
            terms[min(a, b), max(a, b)] += sign * other
        found = sorted((pair, count) for pair, count in terms.items() if count)
        if not found:
            return None
        # the first term is added, so that a sum and its opposite are found to be the same
        sign = 1 if found[0][1] > 0 else -1
        key = tuple((pair, sign * count) for pair, count in found)
        if key not in self._numbers:
            self._numbers[key] = len(self._leaves) + len(self._sums) + 1
            self._sums[self._numbers[key]] = key
            self.products += len(key)
        return self._numbers[key], sign

    def tables(self, results: Sequence[Entry | None]) -> Network:
        """Return what is needed for some entries, None being 0."""
        needed = {entry[0] for entry in results if entry is not None}
        for number in reversed(self._sums):
            if number in needed:
                needed.update(factor for pair, _ in self._sums[number] for factor in pair)
        leaves = [number for number in self._leaves if number in needed]
        sums = [number for number in self._sums if number in needed]
        place = {number: k for k, number in enumerate([0, *leaves, *sums])}
        factors: list[tuple[int, int]] = []
        cuts = [0]
        for number in sums:
            for sign in (1, -1):
                factors.extend(_repeated(self._sums[number], sign))
                cuts.append(len(factors))
        signed = [(0, 0) if entry is None else entry for entry in results]
        return Network(
            leaves=_integers([self._leaves[number] for number in leaves], 3).astype(np.int64),
            cuts=np.array(cuts, dtype=np.int64),
            factors=_integers([(place[a], place[b]) for a, b in factors], 2),
            results=np.array([place[number] for number, _ in signed], dtype=np.int32),
            signs=np.array([sign for _, sign in signed], dtype=np.float64),
        )


def _repeated(terms: Iterable[tuple[tuple[int, int], int]], sign: int) -> Iterable[tuple[int, int]]:
    """Yield the products of one sign, as often as they are counted."""
    return (pair for pair, count in terms for _ in range(sign * count))


def _integers(rows: Sequence[Sequence[int]], width: int) -> Integers:
    return np.array(rows, dtype=np.int32).reshape(-1, width)
