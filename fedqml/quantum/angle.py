"""Where the angle of a gate comes from: an input, a weight or a constant."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.choices import require_choice
from fedqml.quantum.maps import MAPS
from fedqml.quantum.reading import inside, read_fields

Source = Literal["input", "weight"]
_SOURCES: tuple[str, ...] = get_args(Source)


@dataclass(frozen=True)
class Angle:
    """The angle of a gate, θ = scale · map(source[index]) + offset, in radians.

    Args:
        source: ``"input"``, ``"weight"``, or None for the constant ``offset``.
        index: which input or weight, counted from 0.
        map: an elementwise function of ``fedqml.quantum.maps``, by name.
        scale: factor after the map.
        offset: summand after the scale, radians.

    Raises:
        InputError: if the source or the map is unknown, the index is negative, a number is not
            finite, or a constant has what only a variable angle can have.

    Example:
        >>> -Angle.input(0, map="arctan")
        Angle(source='input', index=0, map='arctan', scale=-1.0, offset=0.0)
    """

    source: Source | None
    index: int = 0
    map: str = "identity"
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no device could evaluate."""
        if self.source is not None:
            require_choice("source", self.source, _SOURCES)
        require(self.index >= 0, "index", self.index, "be at least 0")
        require_choice("map", self.map, MAPS)
        require(math.isfinite(self.scale), "scale", self.scale, "be finite")
        require(math.isfinite(self.offset), "offset", self.offset, "be finite")
        if self.source is None:
            plain = (self.index, self.map, self.scale) == (0, "identity", 1.0)
            require(plain, "source", None, "be given where index, map or scale are")

    @classmethod
    def input(cls, index: int, map: str = "identity") -> "Angle":
        """Return the angle map(x[index]).

        Args:
            index: which input, counted from 0.
            map: an elementwise function, by name.

        Returns:
            The angle.

        Raises:
            InputError: as for ``Angle``.

        Example:
            >>> str(Angle.input(2, map="arctan_square"))
            'atan x2²'
        """
        return cls("input", index, map)

    @classmethod
    def weight(cls, index: int) -> "Angle":
        """Return the angle w[index].

        Args:
            index: which weight, counted from 0.

        Returns:
            The angle.

        Raises:
            InputError: as for ``Angle``.

        Example:
            >>> str(Angle.weight(3))
            'w3'
        """
        return cls("weight", index)

    @classmethod
    def constant(cls, value: float) -> "Angle":
        """Return an angle that depends on nothing.

        Args:
            value: the angle, radians.

        Returns:
            The angle.

        Raises:
            InputError: if the value is not finite.

        Example:
            >>> str(Angle.constant(math.pi / 2))
            'π/2'
        """
        return cls(None, offset=value)

    def __neg__(self) -> "Angle":
        """Return the angle of the inverse gate."""
        offset = 0.0 - self.offset  # not -0.0, which would show in files
        if self.source is None:
            return replace(self, offset=offset)
        return replace(self, scale=-self.scale, offset=offset)

    def __str__(self) -> str:
        """Write the angle as in a drawing."""
        if self.source is None:
            return _number(self.offset)
        letter = {"input": "x", "weight": "w"}[self.source]
        name = MAPS[self.map].label.format(f"{letter}{self.index}")
        factor = {1.0: "", -1.0: "-"}.get(self.scale, f"{_number(self.scale)}·")
        summand = "" if self.offset == 0 else _number(self.offset)
        sign = "+" if self.offset > 0 else ""
        return f"{factor}{name}{sign}{summand}"

    def shift(self, inputs: int, weights: int) -> "Angle":
        """Return the same angle of an input or weight further on.

        Args:
            inputs: added to the index of an input.
            weights: added to the index of a weight.

        Returns:
            The angle.

        Raises:
            InputError: if an index becomes negative.

        Example:
            >>> Angle.weight(3).shift(inputs=0, weights=24).index
            27
        """
        step = {"input": inputs, "weight": weights, None: 0}[self.source]
        return replace(self, index=self.index + step)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data.

        Returns:
            A table that JSON can hold.

        Example:
            >>> Angle.weight(3).to_dict()
            {'source': 'weight', 'index': 3, 'map': 'identity', 'scale': 1.0, 'offset': 0.0}
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, data: object, where: str = "angle") -> "Angle":
        """Read what ``to_dict`` wrote; what is missing has its default.

        Args:
            data: a table of fields.
            where: its place in a larger whole, for messages.

        Returns:
            The angle.

        Raises:
            InputError: if a key or a value is not allowed.

        Example:
            >>> str(Angle.from_dict({"source": "input", "index": 1}))
            'x1'
        """
        kinds = {"source": str, "index": int, "map": str, "scale": float, "offset": float}
        fields = read_fields(data, where, kinds, required=())
        with inside(where):
            if "source" in fields:
                require_choice("source", fields["source"], _SOURCES)
            return cls(**{"source": None, **fields})


def evaluate(
    angles: Sequence[Angle], values: Float[Tensor, "*batch values"]
) -> Float[Tensor, "*batch angles"]:
    """Return the angles θ_g = scale_g · map(values[index_g]) + offset_g.

    Args:
        angles: at least one, all with the same map (and meaning the same source).
        values: the inputs, no unit, or the weights, radians; (*batch, values).

    Returns:
        (*batch, angles), radians.

    Example:
        >>> evaluate([Angle.weight(1), -Angle.weight(0)], torch.tensor([0.5, 2.0]))
        tensor([ 2.0000, -0.5000])
    """

    def constants(numbers: list[float]) -> Tensor:
        return torch.tensor(numbers, dtype=values.dtype, device=values.device)

    index = torch.tensor([angle.index for angle in angles], device=values.device)
    mapped = MAPS[angles[0].map].apply(values.index_select(-1, index))
    return mapped * constants([a.scale for a in angles]) + constants([a.offset for a in angles])


def _number(value: float) -> str:
    """Write a number in full where it is a simple multiple of π, else with four digits."""
    ratio = Fraction(value / math.pi).limit_denominator(16)
    if ratio == 0 or not math.isclose(float(ratio) * math.pi, value, rel_tol=1e-12):
        return f"{value:.4g}"
    numerator = {1: "π", -1: "-π"}.get(ratio.numerator, f"{ratio.numerator}π")
    return numerator if ratio.denominator == 1 else f"{numerator}/{ratio.denominator}"
