"""Neighbouring runs as one product of matrices, and where amplitudes lie for it.

Runs of different qubits with no controlled NOT between them commute and are a single matrix
U ⊗ V ⊗ …. In a layout for them the lowest bits of an amplitude's place are the values of their
qubits: the state is a table with 2^qubits columns, whose rows the matrix turns. As places are
linear over bits in addresses (see ``frame``), so are places of one layout in those of the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

from fedqml.quantum.native.frame import Frame
from fedqml.quantum.native.runs import Run, Runs, commute
from fedqml.quantum.native.steps import Exchange, Flip


class Group(NamedTuple):
    """Neighbouring runs that are one product of matrices.

    Args:
        first: the number of the first one among ``Runs.rest``.
        length: how many.
        directions: the address at a place is the sum over GF(2) of those of the place's bits, the
            lowest bit's first; the lowest are those of the runs, the last run's first.
    """

    first: int
    length: int
    directions: tuple[int, ...]


def groups(found: Runs, kinds: Sequence[int], widths: Sequence[int]) -> list[Group]:
    """Join neighbouring runs that commute.

    Args:
        found: the runs of a circuit.
        kinds: of each of the rest of them; those of different kinds are not joined.
        widths: how many of each kind are joined at most.

    Returns:
        The groups, in the order of time. Layers of gates that repeat have layouts that repeat.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> from fedqml.quantum.native.runs import runs
        >>> found = runs(rot_cnot(qubits=4, depth=2).measure("Z0", "Z1"))
        >>> [group.length for group in groups(found, [0] * len(found.rest), widths=[3])]
        [3, 1, 3, 1]
    """
    frame = Frame(len(found.first))
    numbers = iter(range(len(found.rest)))
    joined: list[tuple[list[int], list[int]]] = []
    for step in found.order:
        match step:
            case Flip(control, target):
                frame.flip_if(control, target)
            case Exchange(first, second):
                frame.exchange(first, second)
            case _:
                number = next(numbers)
                last, _ = joined[-1] if joined else ([], [])
                fits = len(last) < widths[kinds[number]] and all(
                    kinds[k] == kinds[number] and commute(found.rest[k], found.rest[number])
                    for k in last
                )
                if not (last and fits):
                    joined.append(([], list(frame.flips)))
                joined[-1][0].append(number)
    return [
        Group(own[0], len(own), _directions([found.rest[k] for k in own], basis))
        for own, basis in joined
    ]


def odd(bits: int) -> int:
    """Return 1 if an odd number of bits is 1, else 0."""
    return bits.bit_count() & 1


def _directions(group: Sequence[Run], basis: Sequence[int]) -> tuple[int, ...]:
    """Return those that the runs flip, and others in which their qubits' values stay."""
    found = [run.flip for run in reversed(group)]
    for direction in reversed(basis):
        for run in group:
            direction ^= run.flip * odd(direction & run.read)
        if _reduced(found, direction)[0]:
            found.append(direction)
    return tuple(found)


def places(directions: Sequence[int], addresses: Sequence[int]) -> tuple[int, ...]:
    """Return the places of addresses in a layout.

    Args:
        directions: of the layout, see ``Group``; linearly independent.
        addresses: sums of them.

    Returns:
        Numbers of which bit b says whether direction b is in the sum.

    Example:
        >>> places([0b11, 0b10], [0b01, 0b10])
        (3, 2)
    """
    return tuple(_reduced(directions, address)[1] for address in addresses)


def _reduced(directions: Sequence[int], vector: int) -> tuple[int, int]:
    """Return the vector without its part in the span of directions, and which are in the part."""
    basis: list[tuple[int, int]] = []
    for number, direction in enumerate([*directions, vector]):
        which = 1 << number
        for other, others in basis:
            if direction ^ other < direction:
                direction, which = direction ^ other, which ^ others
        basis.append((direction, which))
    rest, which = basis[-1]
    return rest, which ^ (1 << len(directions))
