"""Pauli words, the observables of a circuit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fedqml.core.errors import require

_FACTOR = re.compile(r"([XYZ])([0-9]+)")


@dataclass(frozen=True)
class Pauli:
    """A product of Pauli matrices on some of the qubits, with eigenvalues +1 and -1.

    Args:
        wires: the qubits, in ascending order.
        letters: ``X``, ``Y`` or ``Z`` for each of them.

    Raises:
        InputError: if there is no wire, the wires do not ascend from 0 on, or the letters do not
            fit them.

    Example:
        >>> str(Pauli((0, 2), "XY"))
        'X0 Y2'
    """

    wires: tuple[int, ...]
    letters: str

    def __post_init__(self) -> None:
        """Refuse words that are empty, ambiguous or misspelt."""
        ascending = bool(self.wires) and list(self.wires) == sorted(set(self.wires))
        require(ascending, "wires", self.wires, "be one or more different wires in ascending order")
        require(self.wires[0] >= 0, "wires", self.wires, "be at least 0")
        fits = len(self.letters) == len(self.wires) and set(self.letters) <= set("XYZ")
        require(fits, "letters", self.letters, f"be {len(self.wires)} of the letters X, Y, Z")

    @classmethod
    def parse(cls, word: str) -> "Pauli":
        """Read a word such as ``"Z0"`` or ``"X0 Y2"``, in any order.

        Args:
            word: letters with their wires, separated by spaces.

        Returns:
            The observable.

        Raises:
            InputError: if the text has another form or names a wire twice.

        Example:
            >>> Pauli.parse("Y2 X0")
            Pauli(wires=(0, 2), letters='XY')
        """
        factors = [_FACTOR.fullmatch(part) for part in word.split()]
        found = sorted((int(f[2]), f[1]) for f in factors if f is not None)
        form = "be a Pauli word such as 'Z0' or 'X0 Y2', each wire once"
        wires = tuple(wire for wire, _ in found)
        complete = bool(factors) and len(set(wires)) == len(factors)
        require(complete, "observable", word, form)
        return cls(wires, "".join(letter for _, letter in found))

    def __str__(self) -> str:
        """Write the word as ``parse`` reads it."""
        return " ".join(f"{a}{wire}" for a, wire in zip(self.letters, self.wires, strict=True))


def measurement_settings(
    observables: Sequence[Pauli], most: int | None = None
) -> list[tuple[int, ...]]:
    """Return ways to measure the qubits that together show all observables.

    Two words share an execution of the circuit if no qubit has different letters in them. Words
    join the first group that they fit; the best grouping is an NP-hard problem.

    Args:
        observables: the words.
        most: how many words a group may have; None for any number.

    Returns:
        For every group the places of its words among the observables.

    Example:
        >>> measurement_settings([Pauli.parse(word) for word in ("Z0", "X0", "Z1", "X0 Z1")])
        [(0, 2), (1, 3)]

    Source:
        Verteletskyi, Yen and Izmaylov, Measurement optimization in the variational quantum
        eigensolver using a minimum clique cover, arXiv:1907.03358, section II (qubit-wise
        commutativity).
    """
    groups: list[list[int]] = []
    bases: list[dict[int, str]] = []
    for place, word in enumerate(observables):
        letters = dict(zip(word.wires, word.letters, strict=True))
        for group, basis in zip(groups, bases, strict=True):
            fits = all(basis.get(wire, letter) == letter for wire, letter in letters.items())
            if fits and (most is None or len(group) < most):
                group.append(place)
                basis.update(letters)
                break
        else:
            groups.append([place])
            bases.append(letters)
    return [tuple(group) for group in groups]
