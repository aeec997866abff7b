"""A compiled circuit: only what has influence, and every angle linear in a column of numbers."""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from jaxtyping import Float
from torch import Tensor

from fedqml.quantum.angle import Angle, Column, Term, columns
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.lightcone import influential
from fedqml.quantum.native.columns import Columns, tabulate
from fedqml.quantum.native.tape import Tape, record
from fedqml.quantum.pauli import Pauli


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled circuit.

    Args:
        inputs: how many the circuit reads.
        weights: likewise.
        of_inputs: the columns that depend on inputs.
        of_weights: those that depend on weights alone.
        circuit: reads the former as its inputs and the latter as its weights, on the qubits that
            have influence.
        tape: the circuit for the kernels; None if it has a gate that they do not know.
        columns: ``of_inputs`` and ``of_weights`` for the kernels; None if they do not know a map.
    """

    inputs: int
    weights: int
    of_inputs: tuple[Column, ...]
    of_weights: tuple[Column, ...]
    circuit: Circuit
    tape: Tape | None
    columns: Columns | None

    @property
    def linear(self) -> bool:
        """Whether angles are linear in inputs and weights themselves."""
        return all(name == "identity" for name, _, _ in self.of_inputs + self.of_weights)

    def read(
        self, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
    ) -> tuple[Float[Tensor, "*batch columns"], Float[Tensor, " angles"]]:
        """Return the numbers that the program reads.

        Args:
            x: the circuit's inputs; (*batch, inputs).
            w: its weights; (weights,).

        Returns:
            Those that differ from example to example, and those that do not.

        Example:
            >>> import torch
            >>> from fedqml.quantum.operation import Op
            >>> circuit = Circuit(1, (Op("ry", (0,), Angle.input(1, map="arctan")),)).measure("Z0")
            >>> compile(circuit).read(torch.tensor([[5.0, 1.0]]), torch.zeros(0))[0]
            tensor([[0.7854]])
        """
        # the circuit's counts end with the last column that it reads
        return (
            columns(self.of_inputs, x, w)[..., : self.circuit.n_inputs]
            if self.of_inputs
            else x[..., :0],
            columns(self.of_weights, x, w)[: self.circuit.n_weights] if self.of_weights else w[:0],
        )


def compile(circuit: Circuit) -> Program:
    """Return the compiled circuit, the same one for equal circuits.

    Args:
        circuit: any circuit that measures something.

    Returns:
        The program.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> paper = rot_cnot(qubits=4, depth=2).measure("Z0", "Z1")
        >>> len(compile(paper).circuit.ops), len(paper.ops)  # the others have no influence
        (15, 32)
    """
    # finding the same object again is quicker than hashing all of its gates
    known = _recent.get(id(circuit))
    if known is not None and known[0]() is circuit:
        return known[1]
    program = _compile(circuit)
    key = id(circuit)
    _recent[key] = (weakref.ref(circuit, lambda _: _recent.pop(key, None)), program)
    return program


_recent: dict[int, tuple["weakref.ref[Circuit]", Program]] = {}


@lru_cache(maxsize=128)
def _compile(circuit: Circuit) -> Program:
    smaller = _without_idle_wires(influential(circuit))
    terms = {term for op in smaller.ops if op.angle for term in op.angle.terms}
    of_inputs = _columns((t for t in terms if t.inputs), circuit.n_inputs, inputs=True)
    of_weights = _columns((t for t in terms if not t.inputs), circuit.n_weights, inputs=False)
    places = {column: Angle.input(k) for k, column in enumerate(of_inputs)}
    places |= {column: Angle.weight(k) for k, column in enumerate(of_weights)}

    def linear(angle: Angle) -> Angle:
        parts = (places[_column(term)] * term.scale for term in angle.terms)
        return sum(parts, start=Angle.constant(angle.offset))

    ops = tuple(
        op if op.angle is None else replace(op, angle=linear(op.angle)) for op in smaller.ops
    )
    read = replace(smaller, ops=ops)
    try:
        tape = record(read, len(of_inputs))
    except NotImplementedError:
        tape = None
    kernels = tabulate(of_inputs, of_weights)
    return Program(circuit.n_inputs, circuit.n_weights, of_inputs, of_weights, read, tape, kernels)


def _column(term: Term) -> Column:
    return term.map, term.inputs, term.weights


def _columns(terms: Iterable[Term], count: int, inputs: bool) -> tuple[Column, ...]:
    """Return the different columns of terms that all read inputs, or none.

    Values without influence are left alone, as a map's slope there might be infinite. Only the
    identity is taken of all of the ``count`` values, if it is of any: this saves copying some.
    """
    found = {_column(term) for term in terms}
    plain = [("identity", (k,), ()) if inputs else ("identity", (), (k,)) for k in range(count)]
    if not found.isdisjoint(plain):
        found |= set(plain)
    return tuple(sorted(found))


def _without_idle_wires(circuit: Circuit) -> Circuit:
    """Leave out qubits that no gate touches and no observable measures."""
    wires = {wire for op in circuit.ops for wire in op.wires}
    wires |= {wire for word in circuit.observables for wire in word.wires}
    used = {wire: number for number, wire in enumerate(sorted(wires))}
    return Circuit(
        len(used),
        tuple(replace(op, wires=tuple(used[wire] for wire in op.wires)) for op in circuit.ops),
        tuple(
            Pauli(tuple(used[wire] for wire in word.wires), word.letters)
            for word in circuit.observables
        ),
    )
