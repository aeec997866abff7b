"""Leaving out the gates that no observable can notice."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, reduce

import numpy as np

from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import GATES, I2, PAULI, Fixed, Matrix
from fedqml.quantum.operation import Op
from fedqml.quantum.pauli import Pauli

Letters = tuple[frozenset[str], ...]
"""For every qubit, the letters of I, X, Y, Z that may stand on it."""
_MATRICES = {"I": I2, **PAULI}


def influential(circuit: Circuit) -> Circuit:
    """Return the circuit without the gates that change no expectation value.

    Each observable is pulled back through the gates, P -> U†PU, from the last to the first, and
    of every qubit it is remembered which Pauli letters may stand on it. A gate that commutes with
    all words of these letters has no influence: it lies outside the light cone, or is, say, an RZ
    before a measurement of Z. Neither has a gate that only multiplies |0...0⟩ by a phase.

    Args:
        circuit: any circuit.

    Returns:
        A circuit with the same expectation values and derivatives on as many qubits. Gates may
        remain whose influence cancels for another reason.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> paper = rot_cnot(qubits=4, depth=2).measure("Z0", "Z1")
        >>> [str(op.angle) for op in paper.ops if op.angle and op not in influential(paper).ops]
        ['w0', 'w3', 'w6', 'w9', 'w11', 'w14', 'w17', 'w18', 'w19', 'w20', 'w21', 'w22', 'w23']
    """
    needed: set[int] = set()
    for observable in circuit.observables:
        needed |= _noticed(circuit, observable)
    return replace(circuit, ops=_after_zero(circuit.ops[number] for number in sorted(needed)))


def reachable(circuit: Circuit) -> Circuit:
    """Return the circuit without the gates outside the light cone of all observables.

    This holds with noise, too: pulled back through a channel, the observable 1 stays 1, because
    channels preserve the trace. So a gate and what acts after it have no influence if no observable
    has been pulled back to one of its qubits.

    Args:
        circuit: any circuit.

    Returns:
        A circuit with the same expectation values and derivatives on as many qubits.

    Example:
        >>> circuit = Circuit(3, (Op("cx", (0, 1)), Op("cx", (1, 2)), Op("h", (0,)))).measure("Z1")
        >>> reachable(circuit).ops == circuit.ops[:2]
        True
    """
    wires = {wire for observable in circuit.observables for wire in observable.wires}
    kept = []
    for op in reversed(circuit.ops):
        if wires & set(op.wires):
            wires |= set(op.wires)
            kept.append(op)
    return replace(circuit, ops=tuple(reversed(kept)))


def _noticed(circuit: Circuit, observable: Pauli) -> set[int]:
    """Return the numbers of the gates that may change ⟨P⟩."""
    letters = [frozenset("I")] * circuit.n_qubits
    for wire, letter in zip(observable.wires, observable.letters, strict=True):
        letters[wire] = frozenset(letter)
    found = set()
    for number in reversed(range(len(circuit.ops))):
        op = circuit.ops[number]
        pulled = _pulled_back(op.gate, tuple(letters[wire] for wire in op.wires))
        if pulled is not None:
            found.add(number)
            for wire, possible in zip(op.wires, pulled, strict=True):
                letters[wire] = possible
    return found


@cache
def _pulled_back(gate: str, letters: Letters) -> Letters | None:
    """Return the letters in front of the gate; None if it commutes with every word of them."""
    rows = [_conjugations(gate)["".join(word)] for word in itertools.product(*letters)]
    if all(row.unchanged for row in rows):
        return None
    words = [word for row in rows for word in row.words]
    return tuple(frozenset(word[k] for word in words) for k in range(len(letters)))


@dataclass(frozen=True)
class _Conjugation:
    """What U†PU is for a Pauli word P.

    Args:
        words: those it contains, for some angle.
        unchanged: whether it is P, for every angle.
    """

    words: frozenset[str]
    unchanged: bool


@cache
def _conjugations(gate: str) -> dict[str, _Conjugation]:
    definition = GATES[gate]
    words = ["".join(w) for w in itertools.product("IXYZ", repeat=len(definition.symbols))]
    paulis = {word: reduce(np.kron, (_MATRICES[a] for a in word)) for word in words}
    table = {}
    for word, pauli in paulis.items():
        if isinstance(definition, Fixed):
            parts = [definition.unitary.conj().T @ pauli @ definition.unitary]
            unchanged = np.allclose(parts[0], pauli)
        else:
            # U†PU = Σ_jk exp(iθ(λ_j - λ_k)) Π_j P Π_k: a word that occurs in a sum of terms of
            # one frequency occurs at almost every angle
            frequencies: dict[float, Matrix] = {}
            pairs = list(zip(definition.eigenvalues, definition.projectors, strict=True))
            for (a, left), (b, right) in itertools.product(pairs, pairs):
                frequency = round(float(a - b), 9)
                frequencies[frequency] = frequencies.get(frequency, 0) + left @ pauli @ right
            parts = list(frequencies.values())
            generator = definition.generator
            unchanged = np.allclose(generator @ pauli, pauli @ generator)
        occurring = (w for w, p in paulis.items() if any(abs(np.vdot(p, m)) > 1e-9 for m in parts))
        table[word] = _Conjugation(frozenset(occurring), unchanged)
    return table


def _after_zero(ops: Iterable[Op]) -> tuple[Op, ...]:
    """Leave out gates that act as a phase because some of their qubits are still |0⟩."""
    touched: set[int] = set()
    kept = []
    for op in ops:
        if not _is_phase(op.gate, tuple(wire in touched for wire in op.wires)):
            touched |= set(op.wires)
            kept.append(op)
    return tuple(kept)


@cache
def _is_phase(gate: str, touched: tuple[bool, ...]) -> bool:
    """Return whether the gate multiplies every state with zeros on untouched wires by a phase."""
    definition = GATES[gate]
    matrix = definition.unitary if isinstance(definition, Fixed) else definition.generator
    bits = itertools.product(*((0, 1) if free else (0,) for free in touched))
    columns = [int("".join(map(str, word)), 2) for word in bits]
    one = np.eye(len(matrix))[:, columns]
    return np.allclose(matrix[:, columns], matrix[columns[0], columns[0]] * one)
