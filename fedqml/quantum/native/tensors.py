"""Sparse tensors of numbers that are not known yet, and sums over their common indices."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from fedqml.quantum.native.sums import Entry, Sums

# No product of two tensors may have so many words more than both: all this would take longer than
# a second, and often in vain.
_WORDS = 1 << 13

Word = tuple[int, ...]
"""A letter for each index, 0 to 3 for I, X, Y, Z."""


class TooDearError(Exception):
    """There is no good order of summation, or none was found."""


@dataclass(frozen=True)
class Tensor:
    """A tensor that is zero for most words.

    Args:
        indices: the numbers of its indices; tensors that have the same are multiplied and summed
            over it.
        entries: the entry for each word that is not zero.
    """

    indices: tuple[int, ...]
    entries: dict[Word, Entry]


def contract(tensors: Sequence[Tensor], sums: Sums, limit: int) -> Entry | None:
    """Return the sum over all indices of the tensors' product.

    Always the two tensors are joined whose product has the fewest words more than both have.

    Args:
        tensors: every index is one of exactly two of them.
        sums: what is calculated is written down here.
        limit: how many products of two numbers may be written there in all.

    Returns:
        The sum; None if it is zero.

    Raises:
        TooDearError: if there would be more products, or far too large tensors on the way.

    Example:
        >>> from fedqml.quantum.native.sums import ONE, Leaf
        >>> sums = Sums()
        >>> a, b = sums.leaf(Leaf(0, 0, 0)), sums.leaf(Leaf(0, 1, 1))
        >>> vector = Tensor((0,), {(0,): a, (3,): b})
        >>> contract([vector, Tensor((0,), {(2,): ONE, (3,): ONE})], sums, limit=9) == b
        True
    """
    alive = dict(enumerate(_possible(tensors)))
    owners: dict[int, set[int]] = defaultdict(set)
    for number, tensor in alive.items():
        for index in tensor.indices:
            owners[index].add(number)
    pairs = {(min(two), max(two)) for two in owners.values()}
    queue = [(_growth(alive[a], alive[b]), a, b) for a, b in pairs]
    heapify(queue)
    for number in range(len(tensors), 2 * len(tensors) - 1):
        while queue and not (queue[0][1] in alive and queue[0][2] in alive):
            heappop(queue)
        # if no two have an index in common, they are numbers of parts that never met
        growth, first, second = heappop(queue) if queue else (0, min(alive), max(alive))
        if growth > min(limit, _WORDS) or sums.products > limit:
            raise TooDearError
        joined = alive[number] = _join(alive.pop(first), alive.pop(second), sums)
        for index in joined.indices:
            owners[index] = owners[index] - {first, second} | {number}
        for other in sorted({other for index in joined.indices for other in owners[index]}):
            if other != number:
                heappush(queue, (_growth(alive[other], joined), other, number))
    (last,) = alive.values()
    return last.entries.get(())


def _possible(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Leave out words with a letter that cannot stand there, judging by the neighbours' words.

    Before a measurement of Z, say, a rotation need not tell what becomes of X and Y.
    """
    fewer = list(tensors)
    letters = {index: set(range(4)) for tensor in tensors for index in tensor.indices}
    # letters of the measurements go back in time, those of the first qubits forth
    order = [*reversed(range(len(fewer))), *range(len(fewer))]
    changed = True
    while changed:
        changed = False
        for number in order:
            tensor = fewer[number]
            fewer[number] = _restricted(tensor, letters)
            changed |= len(fewer[number].entries) < len(tensor.entries)
    return fewer


def _restricted(tensor: Tensor, letters: dict[int, set[int]]) -> Tensor:
    """Leave out words with other letters, and from the letters those that are in no word."""
    allowed = [letters[index] for index in tensor.indices]
    entries = {
        word: entry
        for word, entry in tensor.entries.items()
        if all(letter in those for letter, those in zip(word, allowed, strict=True))
    }
    for k, those in enumerate(allowed):
        those &= {word[k] for word in entries}
    return Tensor(tensor.indices, entries)


def _growth(one: Tensor, other: Tensor) -> int:
    """Return how many words more than two tensors their product has, if not far too many."""
    _, left, right = _grouped(one, other)
    pairs = [(left[word], right[word]) for word in left if word in right]
    if sum(len(lefts) * len(rights) for lefts, rights in pairs) > 4 * _WORDS:
        return 4 * _WORDS
    words = {(a, b) for lefts, rights in pairs for a, _ in lefts for b, _ in rights}
    return len(words) - len(one.entries) - len(other.entries)


def _join(one: Tensor, other: Tensor, sums: Sums) -> Tensor:
    """Return the product of two tensors, summed over their common indices."""
    indices, left, right = _grouped(one, other)
    products: dict[Word, list[tuple[Entry, Entry]]] = defaultdict(list)
    for word, lefts in left.items():
        for (a, first), (b, second) in itertools.product(lefts, right.get(word, ())):
            products[a + b].append((first, second))
    totals = ((word, sums.total(found)) for word, found in products.items())
    return Tensor(indices, {word: entry for word, entry in totals if entry is not None})


_Groups = dict[Word, list[tuple[Word, Entry]]]


def _grouped(one: Tensor, other: Tensor) -> tuple[tuple[int, ...], _Groups, _Groups]:
    """Return the indices that one of the tensors has alone, and the entries by the common ones."""
    common = [index for index in one.indices if index in other.indices]
    alone = tuple(index for index in one.indices + other.indices if index not in common)
    return alone, _by(common, one), _by(common, other)


def _by(common: Sequence[int], tensor: Tensor) -> _Groups:
    inner = [tensor.indices.index(index) for index in common]
    outer = [k for k, index in enumerate(tensor.indices) if index not in common]
    groups: _Groups = {}
    for word, entry in tensor.entries.items():
        key, rest = tuple([word[k] for k in inner]), tuple([word[k] for k in outer])
        groups.setdefault(key, []).append((rest, entry))
    return groups
