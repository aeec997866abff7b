"""A QNode of PennyLane's as a circuit."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedqml.core.errors import InputError, require, whole
from fedqml.core.optional import library
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.exchange.fit import SINGLE, fit, holds
from fedqml.quantum.exchange.operations import NAMES
from fedqml.quantum.operation import Op
from fedqml.quantum.pauli import Pauli

Array = NDArray[np.float64]

_GATES = {theirs: ours for ours, theirs in NAMES.items()}
_NOTHING = ("Identity", "GlobalPhase", "Barrier", "Snapshot", "WireCut")
# what prepares states, by gates that depend on the amplitudes if these are not constant
_STATES = ("AmplitudeEmbedding", "StatePrep", "MottonenStatePreparation")
_FAR = 4  # every so many points one lies far out
_DISTANCES = (100, 100, 1000, 1000)  # of the points that check what was found


def from_pennylane(
    node: Callable[..., Any],
    weight_shapes: Mapping[str, int | Sequence[int]],
    in_features: int = 0,
    inputs: str = "inputs",
) -> Circuit:
    """Return the circuit of a QNode or quantum function, the same for all inputs and weights.

    The function is called for single examples, with some dozens of random numbers between -10 and
    10 for inputs and weights, to find out what its gates' angles are: sums of inputs, weights,
    products of up to four of them, and functions such as arctan of one. A few calls with numbers
    up to ±100 and ±1000 check that they remain so. No finite number of calls can exclude that a
    function is another one elsewhere, in a narrow range or still farther out. Operations that
    fedqml does not have, templates among them, are decomposed by PennyLane. Device and shots of a
    QNode are left behind. Transforms of a QNode are applied if all they change is the gates.

    Args:
        node: what to read; returns expectation values of Pauli words.
        weight_shapes: the shape of every argument but the inputs, as for PennyLane's
            ``TorchLayer``; the circuit's weights are their entries, in this order, row by row.
        in_features: how many inputs an example has; 0 if the function has no such argument.
        inputs: the name of the argument that takes an example, a tensor (in_features,).

    Returns:
        The circuit. Its qubits are the wires in the order of the QNode's device, if that names its
        wires; otherwise in ascending order if all are numbers, else in order of appearance.

    Raises:
        InputError: if PennyLane is missing; the function cannot be called so; its gates are not
            the same at all points; an operation is no gate, or its angle another function of
            inputs and weights; something else than expectation values of Pauli words is
            measured; a transform of the QNode makes several circuits of it, or computes
            something from what is measured; or the last inputs or weights are never read.

    Example:
        >>> import pennylane as qml
        >>> def function(inputs, weights):
        ...     qml.AngleEmbedding(inputs, wires=range(2))
        ...     qml.BasicEntanglerLayers(weights, wires=range(2))
        ...     return qml.expval(qml.Z(0)), qml.expval(qml.X(0) @ qml.Z(1))
        >>> print(from_pennylane(function, {"weights": (1, 2)}, in_features=2).draw())
        0: ──RX(x0)──RX(w0)─╭●──┤ ⟨Z⟩ ╭⟨X⊗Z⟩
        1: ──RX(x1)──RX(w1)─╰⊕──┤     ╰⟨X⊗Z⟩
    """
    in_features = whole("in_features", in_features, least=0)
    reader = _Reader(node, _shapes(weight_shapes), in_features, inputs)
    reader.points(6 * _FAR)  # enough to see gates that depend on values
    first = reader.script(0)
    places = {wire: number for number, wire in enumerate(_wire_order(reader.node, first))}
    ops, turns = [], 0
    for gate in first.gates:
        angle = None
        if gate.angle is not None:
            angle = reader.angle(turns, gate)
            turns += 1
        ops.append(Op(_GATES[gate.name], tuple(places[wire] for wire in gate.wires), angle))
    words = tuple(_word(letters, places) for letters in first.words)
    circuit = Circuit(len(places), tuple(ops), words)
    read = circuit.n_inputs
    allowed = f"be {read}, as the circuit reads no later input"
    require(read == in_features, "in_features", in_features, allowed)
    allowed = f"name {circuit.n_weights} numbers, as the circuit reads no later weight"
    require(circuit.n_weights == reader.n_weights, "weight_shapes", dict(weight_shapes), allowed)
    return circuit


@dataclass(frozen=True)
class _Gate:
    """An operation that has a counterpart, and the one in the function that it is part of."""

    name: str
    wires: tuple[Any, ...]
    angle: float | None
    origin: str


@dataclass(frozen=True)
class _Script:
    """What the function does at one point."""

    gates: tuple[_Gate, ...]
    words: tuple[tuple[tuple[Any, str], ...], ...]

    @cached_property
    def angles(self) -> Array:
        return np.array([gate.angle for gate in self.gates if gate.angle is not None])

    @property
    def structure(self) -> tuple[object, ...]:
        """What must not depend on inputs and weights."""
        return tuple((gate.name, gate.wires) for gate in self.gates), self.words

    def part(self, origin: str) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the gates that an operation was decomposed into."""
        return [(gate.name, gate.wires) for gate in self.gates if gate.origin == origin]


class _Reader:
    """The function, at points as they are asked for."""

    def __init__(
        self,
        node: Callable[..., Any],
        shapes: dict[str, tuple[int, ...]],
        n_inputs: int,
        inputs: str,
    ) -> None:
        qml = library("pennylane")
        known = isinstance(node, qml.QNode)
        self.node: Any = node if known else qml.QNode(node, qml.device("default.qubit"))
        self.shapes, self.n_inputs, self.inputs = shapes, n_inputs, inputs
        self.n_weights = sum(math.prod(shape) for shape in shapes.values())
        self.random = np.random.default_rng(0)
        self.table = np.empty((0, n_inputs + self.n_weights))
        self.scripts: list[_Script] = []

    def script(self, number: int) -> _Script:
        """Return what the function does at a point."""
        while len(self.scripts) <= number:
            far = len(self.scripts) % _FAR == _FAR - 1
            point = self.random.uniform(-1, 1, self.table.shape[1]) * (10 if far else 1)
            self.scripts.append(self.read(point))
            self.table = np.vstack([self.table, point])
        return self.scripts[number]

    def points(self, count: int) -> Array:
        """Return the first points; (count, inputs + weights)."""
        self.script(count - 1)
        return self.table[:count]

    def angle(self, turn: int, gate: _Gate) -> Angle:
        """Return the angle of a gate, the ``turn``-th of those that have one."""

        def values(count: int) -> Array:
            return np.array([self.script(number).angles[turn] for number in range(count)])

        support = np.flatnonzero(self.dependence[turn]).tolist()
        angle = fit(values, self.points, support, self.n_inputs)
        if angle is not None:
            points, angles = self.far
            if not holds(angle, angles[:, turn], points, self.n_inputs):
                angle = None
        if angle is None:
            names = [f"x{c}" if c < self.n_inputs else f"w{c - self.n_inputs}" for c in support]
            raise InputError(
                "Argument `node` must have angles that are sums of inputs, weights, products of up "
                f"to four of them, and {', '.join(SINGLE)} of one, but that of {_describe(gate)} "
                f"is another function of {', '.join(names) or 'something else'}. Compute it in "
                "PyTorch before the layer, and give the layer the result as an input."
            )
        return angle

    @cached_property
    def far(self) -> tuple[Array, Array]:
        """Points far out, each coordinate on both sides of 0, and the angles there."""
        size = self.table.shape[1]
        drawn = [
            self.random.uniform(0.2, 1, size) * self.random.choice([-1, 1], size) * distance
            for distance in _DISTANCES
        ]
        points = np.array([sign * point for point in drawn for sign in (1, -1)])
        return points, np.array([self.read(point).angles for point in points])

    @cached_property
    def dependence(self) -> NDArray[np.bool_]:
        """Whether an angle may depend on a coordinate; (angles, coordinates).

        Random groups of coordinates are changed together. Where an angle stays, it depends on none
        of the group: a number of calls that grows as the logarithm of the coordinates. Angles of
        so many that some group always hits one of them are left; theirs are changed one by one.
        """
        first, size = self.script(0), self.table.shape[1]
        possible = np.ones((len(first.angles), size), dtype=bool)

        def change(group: NDArray[np.bool_]) -> None:
            point = np.where(group, self.random.uniform(-1, 1, size), self.table[0])
            stayed = np.abs(self.read(point).angles - first.angles) < 1e-13
            possible[np.ix_(stayed, group)] = False

        for _ in range(12 * size.bit_length()):
            change(self.random.random(size) < 1 / 3)
        crowded = possible[possible.sum(1) > 3].any(0)
        for coordinate in np.flatnonzero(crowded):
            change(np.arange(size) == coordinate)
        return possible

    def read(self, point: Array) -> _Script:
        """Return what the function does at a point, which must be the same gates as elsewhere."""
        tape = self.call(point)
        gates = tuple(gate for op in tape.operations for gate in _gates(op, origin=op.name))
        script = _Script(gates, tuple(_letters(m) for m in tape.measurements))
        if self.scripts and script.structure != self.scripts[0].structure:
            for name in _STATES:
                if script.part(name) != self.scripts[0].part(name):
                    raise InputError(
                        "Argument `node` must apply the same gates for all inputs and weights, but "
                        f"{name} chooses them by the amplitudes. Leave it out, and put fedqml's "
                        "encoding before the circuit of the rest: "
                        "fedqml.quantum.encodings.amplitude(qubits) + circuit."
                    )
            raise InputError(
                "Argument `node` must apply the same gates for all inputs and weights, but it "
                f"chooses them by their values, {_difference(script, self.scripts[0])}. What "
                "decides must be computed in PyTorch before the layer, as angles."
            )
        return script

    def call(self, point: Array) -> Any:
        """Return PennyLane's record of a call."""
        values = torch.tensor(point)
        arguments: dict[str, Tensor] = {}
        if self.n_inputs:
            arguments[self.inputs] = values[: self.n_inputs]
        start = self.n_inputs
        for name, shape in self.shapes.items():
            end = start + math.prod(shape)
            arguments[name], start = values[start:end].reshape(shape), end
        try:
            if not self.scripts:  # this checks what is returned, the other one does not
                self.node.construct((), dict(arguments))
            batch, process = library("pennylane").workflow.construct_batch(self.node, level="user")(
                **arguments
            )
            # what the transforms make of results, any numbers
            drawn = torch.tensor(self.random.uniform(-1, 1, len(batch[0].measurements)))
            given = tuple(drawn) if len(drawn) > 1 else drawn[0]
            processed = len(batch) > 1 or not _same(process((given,))[0], given)
        except Exception as error:  # the user's code may raise anything
            shapes = (f"{k} of shape {tuple(v.shape)}" for k, v in arguments.items())
            described = f"with tensors {', '.join(shapes)}" if arguments else "without arguments"
            raise InputError(
                "Argument `node` must be a QNode or quantum function that can be called for a "
                f"single example, {described}, but it raised "
                f"{type(error).__name__}: {error}"
            ) from error
        if processed:
            names = ", ".join(
                str(transform).strip("<>") for transform in self.node.compile_pipeline
            )
            raise InputError(
                "Argument `node` must have no transforms that make several circuits of it or "
                f"compute something from what is measured, but it has {names}. Give the QNode "
                "without them, and do in PyTorch, behind the layer, what they do with its results."
            )
        return batch[0]


def _same(one: Any, other: Any) -> bool:
    """Return whether two results, numbers or sequences of them, are equal."""
    ones, others = (
        torch.stack([torch.as_tensor(v) for v in result])
        if isinstance(result, list | tuple)
        else torch.as_tensor(result)
        for result in (one, other)
    )
    return torch.equal(ones, others)


def _gates(op: Any, origin: str) -> Iterator[_Gate]:
    """Return an operation of PennyLane's as gates that have a counterpart."""
    wires = tuple(op.wires)
    if op.name in _GATES:
        numbers = [np.asarray(number) for number in op.data]
        for number in numbers:
            if number.ndim:
                raise InputError(
                    f"Argument `node` must be written for a single example, but {op.name} on "
                    f"wires {wires} has angles of shape {number.shape}."
                )
        yield _Gate(op.name, wires, float(numbers[0]) if numbers else None, origin)
    elif op.name in _NOTHING:
        return
    elif getattr(op, "has_decomposition", False):
        try:
            parts = op.decomposition()
        except Exception as error:  # PennyLane's, or of a plugin: anything can come
            raise InputError(
                f"PennyLane fails to decompose {op.name} on wires {wires}, part of {origin}, with "
                f"{type(error).__name__}: {error} Write its gates out."
            ) from error
        for part in parts:
            yield from _gates(part, origin)
    else:
        part_of = "" if op.name == origin else f", part of {origin},"
        raise InputError(
            f"Argument `node` must be made of unitary gates, but {op.name}{part_of} on wires "
            f"{wires} is none, nor can PennyLane decompose it into such. Mid-circuit measurements "
            "and noise cannot be part of a circuit."
        )


def _difference(one: _Script, other: _Script) -> str:
    for ours, theirs in zip(one.gates, other.gates, strict=False):
        if (ours.name, ours.wires) != (theirs.name, theirs.wires):
            return f"such as {_describe(ours)} or {_describe(theirs)}"
    return f"at one time {len(one.gates)} of them, at another {len(other.gates)}"


def _describe(gate: _Gate) -> str:
    part_of = "" if gate.name == gate.origin else f" (part of {gate.origin})"
    return f"{gate.name}{part_of} on wires {gate.wires}"


def _letters(measurement: Any) -> tuple[tuple[Any, str], ...]:
    """Return the wires and letters of the Pauli word whose expectation value is measured."""
    qml = library("pennylane")
    expectation = isinstance(measurement, qml.measurements.ExpectationMP)
    if not expectation or measurement.obs is None:
        raise InputError(
            f"Argument `node` must return expectation values, but it returns {measurement}. "
            "For probabilities of single qubits return qml.expval(qml.Z(wire)) and use "
            'readout="probability"; samples and states are not differentiable.'
        )
    sentence = measurement.obs.pauli_rep
    terms = [] if sentence is None else list(sentence.items())
    if len(terms) == 1 and terms[0][0] and terms[0][1] == 1:
        return tuple(terms[0][0].items())
    how = "" if sentence else " `qml.pauli_decompose(matrix)` finds those of a matrix."
    raise InputError(
        f"Argument `node` must measure Pauli words, but it measures {measurement.obs}. Return the "
        "expectation value of each of its words by itself, and add them up with their "
        f"coefficients in PyTorch behind the layer.{how}"
    )


def _word(letters: tuple[tuple[Any, str], ...], places: dict[Any, int]) -> Pauli:
    return Pauli.parse(" ".join(f"{letter}{places[wire]}" for wire, letter in letters))


def _wire_order(node: Any, script: _Script) -> list[Any]:
    """Return the labels of the wires, in the order of qubits."""
    if node.device.wires is not None:
        return list(node.device.wires)
    used = dict.fromkeys(wire for gate in script.gates for wire in gate.wires)
    used |= dict.fromkeys(wire for word in script.words for wire, _ in word)
    numbered = all(isinstance(wire, Integral) for wire in used)  # NumPy's, too
    return sorted(used) if numbered else list(used)


def _shapes(weight_shapes: Mapping[str, int | Sequence[int]]) -> dict[str, tuple[int, ...]]:
    return {
        name: (shape,) if isinstance(shape, int) else tuple(shape)
        for name, shape in weight_shapes.items()
    }
