"""Circuits as data: what is applied to which qubits, and what is measured."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.columns import pack
from fedqml.quantum.drawing import draw
from fedqml.quantum.operation import Op
from fedqml.quantum.pauli import Pauli
from fedqml.quantum.reading import inside, read_fields, read_value


@dataclass(frozen=True)
class Circuit:
    """Gates on qubits that start in |0...0>, and the observables measured in the end.

    Args:
        n_qubits: how many qubits, at least 1; qubit 0 is the most significant bit.
        ops: the gates, in the order of time.
        observables: what is measured, in the order of the results.

    Raises:
        InputError: if there is no qubit, or a gate or observable lies on one that does not exist.

    Example:
        >>> bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1)))).measure("Z0 Z1", "Z0")
        >>> print(bell.draw())
        0: ──H─╭●──┤╭⟨Z⊗Z⟩  ⟨Z⟩
        1: ────╰⊕──┤╰⟨Z⊗Z⟩
    """

    n_qubits: int
    ops: tuple[Op, ...]
    observables: tuple[Pauli, ...] = ()

    def __post_init__(self) -> None:
        """Refuse wires that do not exist."""
        require(self.n_qubits >= 1, "n_qubits", self.n_qubits, "be at least 1")
        allowed = f"be below n_qubits={self.n_qubits}"
        for number, op in enumerate(self.ops):
            name = f"ops[{number}].wires"
            require(max(op.wires) < self.n_qubits, name, op.wires, allowed)
        for number, observable in enumerate(self.observables):
            name = f"observables[{number}].wires"
            require(max(observable.wires) < self.n_qubits, name, observable.wires, allowed)

    @cached_property
    def n_inputs(self) -> int:
        """How many inputs it reads: 1 + the largest index used."""
        return 1 + max((i for angle in self._angles() for i in angle.inputs), default=-1)

    @cached_property
    def n_weights(self) -> int:
        """How many weights it reads: 1 + the largest index used."""
        return 1 + max((j for angle in self._angles() for j in angle.weights), default=-1)

    @property
    def n_layers(self) -> int:
        """How many layers its gates belong to: 1 + the largest number."""
        return 1 + max((op.layer for op in self.ops if op.layer is not None), default=-1)

    @property
    def depth(self) -> int:
        """How many steps it takes if gates on different qubits run at the same time."""
        return len(pack((op.wires for op in self.ops), self.n_qubits))

    def __add__(self, other: "Circuit") -> "Circuit":
        """Return this circuit followed by the other one, both reading the same inputs and weights.

        Observables of both are measured, in that order, at the end of the whole. Layers of the
        other one are counted on from those of this one.
        """
        allowed = f"equal the {self.n_qubits} of the circuit before it"
        require(other.n_qubits == self.n_qubits, "n_qubits", other.n_qubits, allowed)
        later = (
            op if op.layer is None else replace(op, layer=op.layer + self.n_layers)
            for op in other.ops
        )
        return replace(
            self, ops=(*self.ops, *later), observables=self.observables + other.observables
        )

    def inverse(self) -> "Circuit":
        """Return the circuit that undoes this one: every gate inverted, in reversed order.

        Returns:
            A circuit without observables, since measuring cannot be undone.

        Example:
            >>> circuit = Circuit(1, (Op("h", (0,)), Op("s", (0,))))
            >>> [op.gate for op in (circuit + circuit.inverse()).ops]
            ['h', 's', 'sdg', 'h']
        """
        return replace(self, ops=tuple(op.inverse() for op in reversed(self.ops)), observables=())

    def renumber(self, inputs: int = 0, weights: int = 0) -> "Circuit":
        """Return the circuit reading inputs and weights further on.

        Args:
            inputs: added to the index of every input.
            weights: added to the index of every weight.

        Returns:
            The circuit; added to another one it has inputs or weights of its own.

        Raises:
            InputError: if an index becomes negative.

        Example:
            >>> from fedqml.quantum.ansatze import rot_cnot
            >>> block = rot_cnot(qubits=2, depth=1)
            >>> (block + block.renumber(weights=block.n_weights)).n_weights
            12
        """
        ops = tuple(
            op if op.angle is None else replace(op, angle=op.angle.shift(inputs, weights))
            for op in self.ops
        )
        return replace(self, ops=ops)

    def measure(self, *observables: Pauli | str) -> "Circuit":
        """Return the same circuit with these observables instead of its own.

        Args:
            observables: Pauli words, such as ``"Z0"`` or ``"X0 Y2"``.

        Returns:
            The circuit.

        Raises:
            InputError: if a word cannot be read or names a qubit that does not exist.

        Example:
            >>> Circuit(2, ()).measure("Z1").observables
            (Pauli(wires=(1,), letters='Z'),)
        """
        words = (Pauli.parse(o) if isinstance(o, str) else o for o in observables)
        return replace(self, observables=tuple(words))

    def draw(self, width: int = 100) -> str:
        """Return a drawing in text; a longer circuit goes on in a new block below.

        Args:
            width: of the drawing, in characters.

        Returns:
            Lines, one a qubit and block.

        Raises:
            InputError: if the width is below 1.

        Example:
            >>> from fedqml.quantum.encodings import arctan
            >>> print(arctan(qubits=2).measure("Z0").draw())
            0: ──H──RY(atan x0)──RZ(atan x0²)──┤ ⟨Z⟩
            1: ──H──RY(atan x1)──RZ(atan x1²)──┤
        """
        return draw(self.n_qubits, self.ops, self.observables, width)

    def to_dict(self) -> dict[str, Any]:
        """Return the circuit as plain data.

        Returns:
            A table that JSON can hold.

        Example:
            >>> Circuit(1, (Op("h", (0,)),)).measure("X0").to_dict()
            {'n_qubits': 1, 'ops': [{'gate': 'h', 'wires': [0]}], 'observables': ['X0']}
        """
        return {
            "n_qubits": self.n_qubits,
            "ops": [op.to_dict() for op in self.ops],
            "observables": [str(observable) for observable in self.observables],
        }

    @classmethod
    def from_dict(cls, data: object) -> "Circuit":
        """Read what ``to_dict`` wrote, checking all of it.

        Args:
            data: a table with ``n_qubits``, ``ops`` and, if something is measured, ``observables``.

        Returns:
            The circuit.

        Raises:
            InputError: if a key or a value is not allowed; says where.

        Example:
            >>> Circuit.from_dict({"n_qubits": 1, "ops": [{"gate": "h", "wires": [0]}]}).depth
            1
        """
        kinds = {"n_qubits": int, "ops": list, "observables": list}
        fields = read_fields(data, "circuit", kinds, required=("n_qubits", "ops"))
        words = (read_value(o, "observables", str) for o in fields.get("observables", ()))
        with inside("circuit"):
            ops = (Op.from_dict(op, f"ops[{number}]") for number, op in enumerate(fields["ops"]))
            return cls(fields["n_qubits"], tuple(ops), tuple(Pauli.parse(word) for word in words))

    def _angles(self) -> Iterator[Angle]:
        return (op.angle for op in self.ops if op.angle is not None)
