"""Every gate as turns of single qubits, controlled NOTs and swaps.

A gate without a wire-crossing part becomes a rotation, or a fixed element, of SU(2); one on two
wires becomes such rotations between controlled NOTs. Global phases are dropped, as no expectation
value depends on them.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fedqml.quantum.angle import Angle
from fedqml.quantum.gates import GATES, PAULI, Fixed, Rotation
from fedqml.quantum.operation import Op

Quaternion = tuple[float, float, float, float]
"""q with q0 - i (q1 X + q2 Y + q3 Z), an element of SU(2)."""


@dataclass(frozen=True)
class Turn:
    """The rotation exp(-iθσ/2) of a qubit.

    Args:
        wire: the qubit.
        axis: 0, 1, 2 for σ = X, Y, Z.
        angle: θ.
    """

    wire: int
    axis: int
    angle: Angle


@dataclass(frozen=True)
class Constant:
    """A fixed element of SU(2) on a qubit.

    Args:
        wire: the qubit.
        quaternion: which element.
    """

    wire: int
    quaternion: Quaternion

    def after(self, earlier: "Constant") -> "Constant":
        """Return the product of this element with the one before it on the same qubit."""
        (a, *u), (b, *v) = self.quaternion, earlier.quaternion
        vector = a * np.array(v) + b * np.array(u) + np.cross(u, v)
        x, y, z = map(float, vector)
        return Constant(self.wire, (float(a * b - np.dot(u, v)), x, y, z))


@dataclass(frozen=True)
class Flip:
    """The controlled NOT.

    Args:
        control: the qubit that decides.
        target: the qubit that is flipped.
    """

    control: int
    target: int


@dataclass(frozen=True)
class Exchange:
    """The swap of two qubits.

    Args:
        first: one of them.
        second: the other.
    """

    first: int
    second: int


Step = Turn | Constant | Flip | Exchange


def steps(op: Op) -> Iterator[Step]:
    """Yield what to do for a gate, in the order of time.

    Args:
        op: any gate on one qubit; on two qubits one of ``TWO_QUBITS``.

    Yields:
        Turns, constants, flips and exchanges whose product is the gate up to a phase.

    Raises:
        NotImplementedError: if the gate is on two qubits and not among those, or on one qubit
            and turns it about an axis that is not x, y or z.

    Example:
        >>> for step in steps(Op("rzz", (0, 1), Angle.weight(0))):
        ...     print(type(step).__name__)
        Flip
        Turn
        Flip
    """
    gate = op.definition
    if op.gate in TWO_QUBITS:
        yield from TWO_QUBITS[op.gate](op)
    elif len(gate.symbols) > 1:
        raise NotImplementedError(op.gate)
    elif isinstance(gate, Fixed):
        yield Constant(op.wires[0], _quaternion(op.gate))
    else:
        yield _turn(gate, op)


def fixed(step: Turn | Constant) -> Constant | None:
    """Return the step as a constant, if it is one.

    Args:
        step: a turn or a constant.

    Returns:
        A turn by a constant angle as a constant; None if the angle is an input's or a weight's.

    Example:
        >>> fixed(Turn(0, 2, Angle.constant(np.pi)))
        Constant(wire=0, quaternion=(6.123233995736766e-17, 0.0, 0.0, 1.0))
    """
    if isinstance(step, Constant):
        return step
    if step.angle.terms:
        return None
    half = step.angle.offset / 2
    x, y, z = (math.sin(half) if step.axis == axis else 0.0 for axis in range(3))
    return Constant(step.wire, (math.cos(half), x, y, z))


def _turn(gate: Rotation, op: Op) -> Turn:
    assert op.angle is not None, "a rotation has an angle"
    # G = (c + v·σ)/2, of which c is a phase
    parts = [float(np.trace(gate.generator @ sigma).real) for sigma in PAULI.values()]
    axes = [axis for axis, part in enumerate(parts) if part != 0]
    if len(axes) != 1:
        raise NotImplementedError(op.gate)
    return Turn(op.wires[0], axes[0], op.angle * parts[axes[0]])


def _quaternion(gate: str) -> Quaternion:
    definition = GATES[gate]
    assert isinstance(definition, Fixed), "only a fixed gate has a matrix of its own"
    special = definition.unitary / np.sqrt(np.linalg.det(definition.unitary))
    a, b = complex(special[0, 0]), complex(special[1, 0])
    return a.real, -b.imag, b.real, -a.imag


def _given(op: Op) -> Angle:
    assert op.angle is not None, "a rotation has an angle"
    return op.angle


def _around(op: Op, before: str, after: str, inner: Iterator[Step], wires: str) -> Iterator[Step]:
    """Put fixed gates before and after, on the first wire ("0"), the second ("1") or both."""
    chosen = [op.wires[int(wire)] for wire in wires]
    yield from (Constant(wire, _quaternion(before)) for wire in chosen)
    yield from inner
    yield from (Constant(wire, _quaternion(after)) for wire in chosen)


def _cx(op: Op) -> Iterator[Step]:
    yield Flip(*op.wires)


def _swap(op: Op) -> Iterator[Step]:
    yield Exchange(*op.wires)


def _rzz(op: Op) -> Iterator[Step]:
    """CX (1 ⊗ Z) CX = Z ⊗ Z."""
    yield Flip(*op.wires)
    yield Turn(op.wires[1], 2, _given(op))
    yield Flip(*op.wires)


def _rxx(op: Op) -> Iterator[Step]:
    """CX (X ⊗ 1) CX = X ⊗ X."""
    yield Flip(*op.wires)
    yield Turn(op.wires[0], 0, _given(op))
    yield Flip(*op.wires)


def _controlled_turn(axis: int) -> Callable[[Op], Iterator[Step]]:
    """X turns about y and z the other way round: half the angle there, half of it back."""

    def controlled(op: Op) -> Iterator[Step]:
        half = _given(op) * 0.5
        yield Turn(op.wires[1], axis, half)
        yield Flip(*op.wires)
        yield Turn(op.wires[1], axis, -half)
        yield Flip(*op.wires)

    return controlled


_crz = _controlled_turn(2)

TWO_QUBITS: dict[str, Callable[[Op], Iterator[Step]]] = {
    "cx": _cx,
    "cy": lambda op: _around(op, "sdg", "s", _cx(op), "1"),
    "cz": lambda op: _around(op, "h", "h", _cx(op), "1"),
    "swap": _swap,
    "rxx": _rxx,
    "ryy": lambda op: _around(op, "sdg", "s", _rxx(op), "01"),
    "rzz": _rzz,
    "crx": lambda op: _around(op, "h", "h", _crz(op), "1"),
    "cry": _controlled_turn(1),
    "crz": _crz,
}
"""The gates on two qubits that can be compiled."""
