"""A circuit as tables of numbers, which is all that the kernels read."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedqml.quantum.angle import Term
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import check_memory
from fedqml.quantum.native.network import network
from fedqml.quantum.native.runs import Run, Runs, passes, runs, strides
from fedqml.quantum.native.steps import Turn
from fedqml.quantum.native.sums import Network

Integers = NDArray[np.int64]
Addresses = NDArray[np.int32]

# States of up to this many qubits are worked on as they lie; larger ones in blocks of this size,
# which a pass's first run gathers and its last one puts back; see docs/adr/0005. Two blocks of
# float64 fill a quarter of a second cache of 1 MiB with AVX-512, an eighth without.
WHOLE, BLOCK = 11, 10

# Measured: what a state takes beside the runs, however small it is.
_STATE = 250


class Parts(NamedTuple):
    """What the runs of a circuit consist of.

    Runs are numbered: first those that prepare each of the qubits, then the others. A run is
    "mixed" if one of its angles comes from an input, so that it differs from example to example;
    the rest are the same for all examples of a client. Parts are numbered through all runs.

    Args:
        runs: for each of them ``mixed``, whether an angle is an input's, and ``parts``, the first
            of its parts; the last entry is the end.
        parts: for each of them ``axis``, 0, 1, 2 for a turn about x, y, z, 3 for a constant;
            ``turn``, its number among the turns; ``offset``, the angle's constant summand, radians;
            ``terms``, the first of the angle's terms; and ``p``, ``q``, ``r``, ``s``, the
            quaternion of a constant. The last entry is the end.
        terms: for each of them ``column``, which number it reads, those of inputs first; and
            ``scale``, the factor from it to the angle.
        turns: the parts that are turns, those of mixed runs first; (turns,).
        mixed_turns: how many turns are in mixed runs.
        reach: the number of columns up to the last one that a mixed run reads.
    """

    runs: NDArray[np.void]
    parts: NDArray[np.void]
    terms: NDArray[np.void]
    turns: Integers
    mixed_turns: int
    reach: int

    def all_mixed(self) -> "Parts":
        """Return the same runs, all of them said to differ from example to example."""
        runs = self.runs.copy()
        runs["mixed"][:-1] = True
        return self._replace(runs=runs, mixed_turns=len(self.turns))


RUN = np.dtype([("mixed", np.int64), ("parts", np.int64)])
PART = np.dtype(
    [("axis", np.int64), ("turn", np.int64), ("terms", np.int64)]
    + [(name, np.float64) for name in ("offset", "p", "q", "r", "s")]
)
TERM = np.dtype([("column", np.int64), ("scale", np.float64)])


class Passes(NamedTuple):
    """Where the runs of a circuit act on a state vector, and what is measured.

    Args:
        qubits: how many.
        pass_strides: its strides are those from entry p up to entry p + 1; (passes + 1,).
        pass_blocks: the first address of every block; (passes, blocks).
        pass_first: ``stride_places`` of its first stride, as addresses; (passes, 2^width).
        pass_last: those of its last stride.
        stride_runs: the first of a stride's one or two runs; (strides + 1,).
        stride_places: the places in a block that are mixed with each other, one after the other:
            two, where the qubit is 0 and 1, or four, where the qubits of both runs are 00, 10, 01
            and 11, if they are 0 at the block's first address; (strides, 2^width).
        run_read: bits whose parity is the qubit's value; (runs - qubits,).
        word_flip: see ``Word``; (observables,).
        word_read: see ``Word``; (observables,).
        word_phase: see ``Word``; (observables,).
    """

    qubits: int
    pass_strides: Integers
    pass_blocks: Integers
    pass_first: Addresses
    pass_last: Addresses
    stride_runs: Integers
    stride_places: Addresses
    run_read: Integers
    word_flip: Integers
    word_read: Integers
    word_phase: Integers

    @property
    def size(self) -> int:
        """How many numbers a state is."""
        return 2 << self.qubits

    @property
    def extra(self) -> int:
        """How many numbers are needed beside a state: those of a block."""
        return 2 * self.stride_places.shape[1]

    @property
    def observables(self) -> int:
        """How many are measured."""
        return len(self.word_flip)

    @property
    def work(self) -> int:
        """How long it takes, in runs that mix an amplitude."""
        return _work(self.qubits + len(self.run_read), self.qubits)


def _work(runs: int, qubits: int) -> int:
    # with derivatives
    return _STATE + (runs << qubits)


class Tape(NamedTuple):
    """A compiled circuit.

    Args:
        parts: what its runs consist of.
        method: how expectation values come from them, the cheaper way of two.
    """

    parts: Parts
    method: Passes | Network


def record(circuit: Circuit, inputs: int) -> Tape:
    """Return the tables of a circuit.

    Args:
        circuit: all its angles are linear in its inputs and weights.
        inputs: how many columns read inputs.

    Returns:
        The tables.

    Raises:
        InputError: if there are too many qubits for a state vector, and no way without.
        NotImplementedError: if a gate is unknown to ``steps``.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> record(rot_cnot(qubits=3, depth=1).measure("Z0"), inputs=0).parts.runs["parts"]
        array([0, 0, 0, 0, 3, 6, 9])
    """
    found = runs(circuit)
    whole = [*found.first, *found.rest]
    cheaper = network(circuit, limit=_work(len(whole), circuit.n_qubits))
    return Tape(_parts(whole, inputs), _passes(found, circuit) if cheaper is None else cheaper)


def _parts(whole: Sequence[Run], inputs: int) -> Parts:
    mixed = [any(isinstance(p, Turn) and p.angle.inputs for p in run.parts) for run in whole]
    flat = [(part, own) for own, run in zip(mixed, whole, strict=True) for part in run.parts]
    found = [(k, own) for k, (part, own) in enumerate(flat) if isinstance(part, Turn)]
    turns = [k for k, own in sorted(found, key=lambda pair: not pair[1])]
    parts, terms = [], list[tuple[int, float]]()
    for k, (part, _) in enumerate(flat):
        if isinstance(part, Turn):
            own = part.axis, turns.index(k), len(terms), part.angle.offset, 1.0, 0.0, 0.0, 0.0
            terms += [(_number(term, inputs), term.scale) for term in part.angle.terms]
        else:
            own = 3, 0, len(terms), 0.0, *part.quaternion
        parts.append(own)
    parts.append((3, 0, len(terms), 0.0, 1.0, 0.0, 0.0, 0.0))
    starts = _cuts(len(run.parts) for run in whole)
    return Parts(
        runs=np.array(list(zip([*mixed, False], starts, strict=True)), dtype=RUN),
        parts=np.array(parts, dtype=PART),
        terms=np.array(terms, dtype=TERM),
        turns=_integers(turns),
        mixed_turns=sum(own for _, own in found),
        reach=max(
            (
                _number(t, inputs) + 1
                for p, own in flat
                if own and isinstance(p, Turn)
                for t in p.angle.terms
            ),
            default=0,
        ),
    )


def _number(term: Term, inputs: int) -> int:
    """Return the number of the column that a term of an angle reads."""
    return term.inputs[0] if term.inputs else inputs + term.weights[0]


def _passes(found: Runs, circuit: Circuit) -> Passes:
    check_memory(circuit)
    n = circuit.n_qubits
    width = n if n <= WHOLE else BLOCK
    groups = passes(found.rest, n, width)
    taken = [strides(group) for _, group in groups]
    cuts = _cuts(map(len, taken))
    places = [_places(basis, s) for (basis, _), own in zip(groups, taken, strict=True) for s in own]
    first = [span(groups[k][0])[places[cuts[k]]] for k in range(len(groups))]
    last = [span(groups[k][0])[places[cuts[k + 1] - 1]] for k in range(len(groups))]

    def addresses(tables: list[Integers]) -> Addresses:
        return np.array(tables, dtype=np.int32).reshape(-1, 2**width)

    return Passes(
        qubits=n,
        pass_strides=cuts,
        pass_blocks=_integers([_blocks(b, n) for b, _ in groups]).reshape(-1, 2 ** (n - width)),
        pass_first=addresses(first),
        pass_last=addresses(last),
        stride_runs=n + _cuts(len(stride) for own in taken for stride in own),
        stride_places=addresses(places),
        run_read=_integers([run.read for run in found.rest]),
        word_flip=_integers([word.flip for word in found.words]),
        word_read=_integers([word.read for word in found.words]),
        word_phase=_integers([word.phase for word in found.words]),
    )


def _places(basis: list[int], stride: Sequence[Run]) -> Integers:
    """Return which places of a block runs mix, beginning with those where the qubits are 0."""
    # as every leading bit is in a single direction, they are the coordinates of a vector
    leads = [direction.bit_length() - 1 for direction in basis]
    places = np.arange(2 ** len(basis))
    for run in stride:
        values = span([(run.read & direction).bit_count() & 1 for direction in basis])
        places = places[values[places] == 0]
    places = places[:, None]
    for run in stride:
        flip = sum((run.flip >> lead & 1) << k for k, lead in enumerate(leads))
        places = np.concatenate([places, places ^ flip], axis=1)
    return places.flatten()


def span(basis: Sequence[int]) -> Integers:
    """Return the sums over GF(2) of all subsets of some directions.

    Args:
        basis: the directions; bit b of a sum's place says whether direction b is in it.

    Returns:
        (2^directions,).

    Example:
        >>> span([1, 6])
        array([0, 1, 6, 7])
    """
    steps = np.zeros(1, dtype=np.int64)
    for direction in basis:
        steps = np.concatenate([steps, steps ^ direction])
    return steps


def _blocks(basis: list[int], n_qubits: int) -> Integers:
    """Return the addresses that have no leading bit of a direction: one in each block."""
    leads = {direction.bit_length() - 1 for direction in basis}
    return span([1 << bit for bit in range(n_qubits) if bit not in leads])


def _cuts(lengths: Iterable[int]) -> Integers:
    return np.cumsum([0, *lengths])


def _integers(values: Sequence[Any]) -> Integers:
    return np.array(values, dtype=np.int64)
