"""Expectation values of circuits of low depth without a state vector.

An operator on the qubits is a sum of Pauli words, and so a tensor with an index for every qubit
that runs over I, X, Y, Z. In these terms everything is real and sparse: a qubit that a run prepared
is the vector (1, ⟨X⟩, ⟨Y⟩, ⟨Z⟩), a run rotates X, Y, Z and leaves I alone, a controlled NOT turns
each of the 16 words of its qubits into one word or its opposite, and a measurement picks a word.
An expectation value is the sum over all indices of the product of these tensors. What this takes
depends on how the qubits are entangled and not on how many they are; see docs/adr/0006.
"""

import itertools
from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np

from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import GATES, I2, PAULI, Fixed
from fedqml.quantum.native.entries import VARIES, Pattern, pattern
from fedqml.quantum.native.runs import Runs, runs
from fedqml.quantum.native.steps import Exchange, Flip
from fedqml.quantum.native.sums import ONE, PRODUCT, Entry, Leaf, Network, Sums
from fedqml.quantum.native.tensors import Tensor, TooDearError, Word, contract
from fedqml.quantum.pauli import Pauli

# To join two tensors takes some 50 µs here. So many joins are a tenth of a second; more are made
# if they do not take longer than about 50 evaluations within the limit.
_JOINS, _PRODUCTS_A_JOIN = 1 << 11, 1 << 8


def network(circuit: Circuit, limit: int) -> Network | None:
    """Return how to calculate a circuit's expectation values, if that is not too dear.

    Args:
        circuit: all its angles are linear in its inputs and weights.
        limit: the most that ``Network.work`` may be.

    Returns:
        The calculation; None if no cheap one was found.

    Raises:
        NotImplementedError: if ``steps`` does not know a gate.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> rings = [rot_cnot(n, depth=2).measure("Z0") for n in (4, 8, 16)]
        >>> [len(network(ring, limit=10000).factors) for ring in rings]
        [13, 17, 25]

    Source:
        Markov and Shi, Simulating quantum computation by contracting tensor networks,
        arXiv:quant-ph/0511069, section 3, in the basis of Pauli words.
    """
    sums = Sums()
    tensors, ends = _tensors(runs(circuit), circuit.n_qubits, sums)
    joins = len(circuit.observables) * (len(tensors) + circuit.n_qubits)
    if joins > _JOINS + limit // _PRODUCTS_A_JOIN:
        return None
    try:
        results = [
            contract([*tensors, *_measured(observable, ends)], sums, round(limit / PRODUCT))
            for observable in circuit.observables
        ]
    except TooDearError:
        return None
    found = sums.tables(results)
    return found if found.work <= limit else None


def _tensors(found: Runs, n_qubits: int, sums: Sums) -> tuple[list[Tensor], list[int]]:
    """Return the circuit's tensors, and for every qubit its index in the end."""
    fresh = itertools.count()
    ends = [next(fresh) for _ in range(n_qubits)]
    tensors = [
        _prepared(number, pattern(run.parts), ends[number], sums)
        for number, run in enumerate(found.first)
    ]
    numbered = enumerate(found.rest, n_qubits)
    for step in found.order:
        match step:
            case Flip(a, b):
                before, ends[a], ends[b] = (ends[a], ends[b]), next(fresh), next(fresh)
                tensors.append(Tensor((*before, ends[a], ends[b]), _FLIP))
            case Exchange(a, b):
                ends[a], ends[b] = ends[b], ends[a]
            case wire:
                number, run = next(numbered)
                entries = _rotation(number, pattern(run.parts), sums)
                tensors.append(Tensor((ends[wire], end := next(fresh)), entries))
                ends[wire] = end
    return tensors, ends


def _rotation(run: int, known: Pattern, sums: Sums) -> dict[Word, Entry]:
    """Return the words in front of and behind a run."""
    entries: dict[Word, Entry] = {(0, 0): ONE}
    for row, column in np.argwhere(known).tolist():
        sign = int(known[row, column])
        entry = sums.leaf(Leaf(run, row, column)) if sign == VARIES else (0, sign)
        entries[column + 1, row + 1] = entry
    return entries


def _prepared(run: int, known: Pattern, index: int, sums: Sums) -> Tensor:
    """Return a qubit after its first run, which turned |0⟩⟨0| = (I + Z)/2."""
    entries = _rotation(run, known, sums).items()
    return Tensor(
        (index,), {(after,): entry for (before, after), entry in entries if before in (0, 3)}
    )


def _measured(observable: Pauli, ends: Sequence[int]) -> Iterator[Tensor]:
    letters = dict(zip(observable.wires, observable.letters, strict=True))
    for wire, index in enumerate(ends):
        yield Tensor((index,), {("IXYZ".index(letters.get(wire, "I")),): ONE})


def _flip() -> dict[Word, Entry]:
    """Return the words of control and target in front of and behind a controlled NOT."""
    gate = GATES["cx"]
    assert isinstance(gate, Fixed), "it has no angle"
    words = list(itertools.product(range(4), repeat=2))
    matrices = [reduce(np.kron, ([I2, *PAULI.values()][a] for a in word)) for word in words]
    entries: dict[Word, Entry] = {}
    for front, matrix in zip(words, matrices, strict=True):
        turned = gate.unitary @ matrix @ gate.unitary
        for behind, other in zip(words, matrices, strict=True):
            sign = round(np.trace(other @ turned).real / 4)
            if sign:
                entries[*front, *behind] = 0, sign
    return entries


_FLIP = _flip()
