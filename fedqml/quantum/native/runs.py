"""Runs of turns of one qubit, which become one matrix each, and where they act."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fedqml.quantum.circuit import Circuit
from fedqml.quantum.native.frame import Frame
from fedqml.quantum.native.steps import Constant, Exchange, Flip, Turn, fixed, steps
from fedqml.quantum.pauli import Pauli


@dataclass(frozen=True)
class Run:
    """Turns of one qubit, one directly after the other.

    Args:
        parts: the turns, in the order of time.
        flip: mixes the addresses i and i ⊕ flip.
        read: the qubit is 1 where an odd number of these bits of i is 1.
    """

    parts: tuple[Turn | Constant, ...]
    flip: int
    read: int


@dataclass(frozen=True)
class Word:
    """A Pauli word on addresses, (Pψ)_i = i^phase · (-1)^{|(i ⊕ flip) & read|} · ψ_{i ⊕ flip}.

    Args:
        flip: the bits that its X and Y flip.
        read: the bits whose parity is the sign of its Z and Y.
        phase: how many Y it has, modulo 4.
    """

    flip: int
    read: int
    phase: int


@dataclass(frozen=True)
class Runs:
    """A circuit as runs.

    Args:
        first: for every qubit the run that prepares it from |0⟩, before all others.
        rest: the others, in the order of time.
        order: the wire of each of the rest, between the gates on two qubits.
        words: the observables.
    """

    first: tuple[Run, ...]
    rest: tuple[Run, ...]
    order: tuple[int | Flip | Exchange, ...]
    words: tuple[Word, ...]


def runs(circuit: Circuit) -> Runs:
    """Return the circuit as runs of turns; controlled NOTs and swaps only rename addresses.

    Args:
        circuit: any circuit.

    Returns:
        The runs and observables.

    Raises:
        NotImplementedError: if ``steps`` does not know a gate.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> from fedqml.quantum.encodings import arctan
        >>> found = runs((arctan(4) + rot_cnot(4, depth=2)).measure("Z0"))
        >>> len(found.first), len(found.rest), len(found.rest[0].parts)
        (4, 8, 3)
    """
    n = circuit.n_qubits
    frame = Frame(n)
    start = [(flip, read) for flip, read in zip(frame.flips, frame.reads, strict=True)]
    waiting: list[list[Turn | Constant]] = [[] for _ in range(n)]
    first: dict[int, Run] = {}
    rest: list[Run] = []
    order: list[int | Flip | Exchange] = []

    def close(wire: int) -> None:
        parts, waiting[wire] = _merge(waiting[wire]), []
        if wire not in first:
            # untouched until now, so it can as well have been prepared before all other gates
            first[wire] = Run(parts, *start[wire])
        elif parts:
            rest.append(Run(parts, frame.flips[wire], frame.reads[wire]))
            order.append(wire)

    for step in (step for op in circuit.ops for step in steps(op)):
        match step:
            case Turn(wire) | Constant(wire):
                waiting[wire].append(step)
            case Flip(control, target):
                close(control)
                close(target)
                order.append(step)
                frame.flip_if(control, target)
            case Exchange(one, other):
                close(one)
                close(other)
                order.append(step)
                frame.exchange(one, other)
    for wire in range(n):
        close(wire)
    words = tuple(_word(observable, frame) for observable in circuit.observables)
    return Runs(tuple(first[wire] for wire in range(n)), tuple(rest), tuple(order), words)


def _merge(parts: Sequence[Turn | Constant]) -> tuple[Turn | Constant, ...]:
    """Make one constant of neighbouring ones, and of turns by a constant angle.

    Neighbouring turns about one axis become one by the sum of their angles.
    """
    merged: list[Turn | Constant] = []
    for part in parts:
        constant, last = fixed(part), merged[-1] if merged else None
        if constant is None:
            assert isinstance(part, Turn), "what is not fixed is a turn"
            if isinstance(last, Turn) and last.axis == part.axis:
                merged[-1] = replace(part, angle=last.angle + part.angle)
            else:
                merged.append(part)
        elif merged and isinstance(merged[-1], Constant):
            merged[-1] = constant.after(merged[-1])
        else:
            merged.append(constant)
    return tuple(merged)


def _word(observable: Pauli, frame: Frame) -> Word:
    flip = read = 0
    for wire, letter in zip(observable.wires, observable.letters, strict=True):
        flip ^= frame.flips[wire] if letter in "XY" else 0
        read ^= frame.reads[wire] if letter in "YZ" else 0
    return Word(flip, read, observable.letters.count("Y") % 4)


def passes(found: Sequence[Run], n_qubits: int, width: int) -> list[tuple[list[int], list[Run]]]:
    """Cut the runs into groups that each mix addresses within few directions only.

    A group can then be applied to 2^width amplitudes at a time, while they are in fast memory.

    Args:
        found: the runs, in the order of time.
        n_qubits: how many qubits.
        width: how many directions a group may have, at most ``n_qubits``.

    Returns:
        For every group exactly ``width`` linearly independent directions, each with a leading bit
        that no other of them has, in ascending order, and its runs.

    Example:
        >>> chosen = [Run((), flip, flip) for flip in (0b100, 0b010, 0b110, 0b001)]
        >>> [(basis, len(group)) for basis, group in passes(chosen, n_qubits=3, width=2)]
        [([2, 4], 3), ([1, 2], 1)]
    """
    groups: list[tuple[list[int], list[Run]]] = []
    for run in found:
        grown = _extend(groups[-1][0], run.flip) if groups else []
        if not groups or len(grown) > width:
            groups.append((_extend([], run.flip), [run]))
        else:
            groups[-1] = (grown, [*groups[-1][1], run])
    for number, (basis, group) in enumerate(groups):
        for bit in range(n_qubits):  # low bits first: their amplitudes are neighbours
            if len(basis) == width:
                break
            basis = _extend(basis, 1 << bit)
        groups[number] = (sorted(basis), group)
    return groups


def strides(group: Sequence[Run]) -> list[tuple[Run, ...]]:
    """Take neighbouring runs of a group together, two at a time.

    Two that commute can be applied while four amplitudes are in registers.

    Args:
        group: the runs, in the order of time.

    Returns:
        The same runs, alone or in pairs.

    Example:
        >>> found = strides([Run((), flip, flip) for flip in (0b100, 0b010, 0b001)])
        >>> [len(stride) for stride in found]
        [2, 1]
    """
    found: list[tuple[Run, ...]] = []
    for run in group:
        if found and len(found[-1]) == 1 and commute(found[-1][0], run):
            found[-1] = (*found[-1], run)
        else:
            found.append((run,))
    return found


def commute(one: Run, other: Run) -> bool:
    """Return whether neither of two runs flips the other's qubit.

    Example:
        >>> commute(Run((), flip=0b01, read=0b01), Run((), flip=0b10, read=0b10))
        True
    """
    crossed = one.flip & other.read, other.flip & one.read
    return not any(bits.bit_count() & 1 for bits in crossed)


def _extend(basis: list[int], vector: int) -> list[int]:
    """Add a vector to a basis over GF(2) in reduced form, if it is not in its span."""
    for member in basis:
        vector = min(vector, vector ^ member)
    if vector == 0:
        return basis
    lead = 1 << (vector.bit_length() - 1)
    return sorted([*(b ^ vector if b & lead else b for b in basis), vector], reverse=True)
