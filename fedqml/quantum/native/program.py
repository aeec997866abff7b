"""A compiled circuit: only what has influence, and every angle linear in a column of numbers."""

import weakref
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.quantum.angle import Angle, Source
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.lightcone import influential
from fedqml.quantum.maps import MAPS
from fedqml.quantum.native.tape import Tape, record
from fedqml.quantum.pauli import Pauli


@dataclass(frozen=True)
class Columns:
    """The numbers that angles are linear in: mapped inputs, or mapped weights.

    Args:
        parts: for each map the indices of the values that it is applied to; None for all of
            them, in order.
    """

    parts: tuple[tuple[str, tuple[int, ...] | None], ...]

    def read(self, values: Float[Tensor, "*batch values"]) -> Float[Tensor, "*batch columns"]:
        """Return map(v_i) for every map and index.

        Args:
            values: the inputs or weights; (*batch, values).

        Returns:
            (*batch, columns).

        Example:
            >>> Columns((("identity", None), ("arctan", (1,)))).read(torch.tensor([2.0, 1.0]))
            tensor([2.0000, 1.0000, 0.7854])
        """
        parts = []
        for name, indices in self.parts:
            chosen = values
            if indices is not None:
                # values without influence are left alone: a map's slope there might be infinite
                chosen = values.index_select(-1, torch.tensor(indices, device=values.device))
            parts.append(MAPS[name].apply(chosen))
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts, -1) if parts else values[..., :0]


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled circuit.

    Args:
        inputs: what is read of the inputs.
        weights: what is read of the weights.
        circuit: reads those columns, without maps, on the qubits that have influence.
        tape: the circuit for the kernels; None if it has a gate that they do not know.
    """

    inputs: Columns
    weights: Columns
    circuit: Circuit
    tape: Tape | None


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
    inputs, angles = _columns(smaller, "input", circuit.n_inputs)
    weights, others = _columns(smaller, "weight", circuit.n_weights)
    angles |= others
    ops = tuple(replace(op, angle=angles.get(op.angle, op.angle)) for op in smaller.ops)
    linear = replace(smaller, ops=ops)
    try:
        tape = record(linear)
    except NotImplementedError:
        tape = None
    return Program(inputs, weights, linear, tape)


def _columns(
    circuit: Circuit, source: Source, count: int
) -> tuple[Columns, dict[Angle | None, Angle]]:
    """Return what is read of a source, and for every angle the one that reads a column of it."""
    angles = [op.angle for op in circuit.ops if op.angle and op.angle.source == source]
    columns: dict[tuple[str, int], int] = {}
    parts: list[tuple[str, tuple[int, ...] | None]] = []
    width = 0
    for name in sorted({angle.map for angle in angles}):
        indices = tuple(sorted({angle.index for angle in angles if angle.map == name}))
        # the identity has the slope 1 everywhere, so that values not read do no harm
        whole = name == "identity" or indices == tuple(range(count))
        read = range(count) if whole else indices
        columns |= {(name, index): width + k for k, index in enumerate(read)}
        width += len(read)
        parts.append((name, None if whole else indices))
    linear: dict[Angle | None, Angle] = {
        angle: replace(angle, map="identity", index=columns[angle.map, angle.index])
        for angle in angles
    }
    return Columns(tuple(parts)), linear


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
