"""One gate of a circuit."""

from dataclasses import dataclass, field, replace
from typing import Any

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.choices import require_choice
from fedqml.quantum.gates import GATES, Fixed, Gate, Rotation
from fedqml.quantum.reading import inside, read_fields, read_value


@dataclass(frozen=True)
class Op:
    """A gate on some of the qubits.

    Args:
        gate: the gate's name, one of ``fedqml.quantum.gates.GATES``.
        wires: the qubits, controls first.
        angle: its angle, for a gate that has one.
        layer: which layer of an ansatz it belongs to, counted from 0; None for what a circuit of
            any depth has, such as an encoding. Gates that differ in this only are equal.

    Raises:
        InputError: if the gate is unknown, the wires are too many, too few, negative or repeated,
            the angle is missing or superfluous, or the layer is negative.

    Example:
        >>> str(Op("ry", (0,), Angle.input(0, map="arctan")).inverse().angle)
        '-atan x0'
    """

    gate: str
    wires: tuple[int, ...]
    angle: Angle | None = None
    layer: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse what no device could apply."""
        require_choice("gate", self.gate, GATES)
        count = len(self.definition.symbols)
        number = "1 qubit" if count == 1 else f"{count} different qubits"
        distinct = len(self.wires) == len(set(self.wires)) == count
        require(distinct, "wires", self.wires, f"be {number} for the gate {self.gate!r}")
        require(min(self.wires) >= 0, "wires", self.wires, "be at least 0")
        if isinstance(self.definition, Rotation):
            require(self.angle is not None, "angle", None, f"be given for the gate {self.gate!r}")
        else:
            allowed = f"be left out for the gate {self.gate!r}"
            require(self.angle is None, "angle", self.angle, allowed)
        require(self.layer is None or self.layer >= 0, "layer", self.layer, "be at least 0")

    @property
    def definition(self) -> Gate:
        """The gate that ``gate`` names."""
        return GATES[self.gate]

    @property
    def label(self) -> str:
        """The angle as drawings write it; empty without one."""
        return "" if self.angle is None else str(self.angle)

    def inverse(self) -> "Op":
        """Return the operation that undoes this one.

        Returns:
            The same gate with the negated angle, or the gate's own inverse.

        Example:
            >>> Op("s", (0,)).inverse()
            Op(gate='sdg', wires=(0,), angle=None, layer=None)
        """
        if self.angle is not None:
            return replace(self, angle=-self.angle)
        assert isinstance(self.definition, Fixed), "only a fixed gate has no angle"
        return replace(self, gate=self.definition.inverse)

    def to_dict(self) -> dict[str, Any]:
        """Return the operation as plain data.

        Returns:
            A table that JSON can hold.

        Example:
            >>> Op("cx", (0, 1)).to_dict()
            {'gate': 'cx', 'wires': [0, 1]}
        """
        table: dict[str, Any] = {"gate": self.gate, "wires": list(self.wires)}
        if self.angle is not None:
            table["angle"] = self.angle.to_dict()
        if self.layer is not None:
            table["layer"] = self.layer
        return table

    @classmethod
    def from_dict(cls, data: object, where: str = "op") -> "Op":
        """Read what ``to_dict`` wrote.

        Args:
            data: a table with ``gate``, ``wires`` and, for some gates, ``angle`` and ``layer``.
            where: its place in a larger whole, for messages.

        Returns:
            The operation.

        Raises:
            InputError: if a key or a value is not allowed.

        Example:
            >>> Op.from_dict({"gate": "cx", "wires": [0, 1]})
            Op(gate='cx', wires=(0, 1), angle=None, layer=None)
        """
        kinds = {"gate": str, "wires": list, "angle": dict, "layer": int}
        fields = read_fields(data, where, kinds, required=("gate", "wires"))
        wires = tuple(read_value(wire, f"{where}.wires", int) for wire in fields["wires"])
        angle = Angle.from_dict(fields["angle"], f"{where}.angle") if "angle" in fields else None
        with inside(where):
            return cls(fields["gate"], wires, angle, fields.get("layer"))
