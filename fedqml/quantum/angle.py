"""Where the angle of a gate comes from: inputs, weights and constants."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.choices import require_choice
from fedqml.quantum.maps import MAPS
from fedqml.quantum.reading import inside, read_fields, read_value


@dataclass(frozen=True)
class Term:
    """A summand of an angle, scale · map(x_i for inputs i, w_j for weights j), radians.

    Args:
        inputs: which inputs, counted from 0.
        weights: which weights, counted from 0; behind the inputs among the map's arguments.
        map: a function of ``fedqml.quantum.maps``, by name.
        scale: factor after the map.

    Raises:
        InputError: if the map is unknown or does not take so many numbers, an index is negative,
            or the scale is not finite.

    Example:
        >>> str(Term(inputs=(0,), weights=(3,), map="product", scale=-1.0))
        '-x0·w3'
    """

    inputs: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    map: str = "identity"
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no device could evaluate."""
        for name in ("inputs", "weights"):
            indices = getattr(self, name)
            require(min(indices, default=0) >= 0, name, indices, "be at least 0")
        require_choice("map", self.map, MAPS)
        least, most = MAPS[self.map].least, MAPS[self.map].most
        count = len(self.inputs) + len(self.weights)
        allowed = f"be {least}" if most == least else f"be {least} to {most or 'any number'}"
        fits = least <= count and (most is None or count <= most)
        name = "the number of inputs and weights"
        require(fits, name, count, f"{allowed} for the map {self.map!r}")
        require(math.isfinite(self.scale), "scale", self.scale, "be finite")

    def __str__(self) -> str:
        """Write the term as in a drawing."""
        names = [f"x{i}" for i in self.inputs] + [f"w{j}" for j in self.weights]
        factor = {1.0: "", -1.0: "-"}.get(self.scale, f"{_number(self.scale)}·")
        return factor + MAPS[self.map].text(names)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data, those left out that have their defaults."""
        fields: dict[str, Any] = {}
        if self.inputs:
            fields["inputs"] = list(self.inputs)
        if self.weights:
            fields["weights"] = list(self.weights)
        if self.map != "identity":
            fields["map"] = self.map
        if self.scale != 1.0:
            fields["scale"] = self.scale
        return fields

    @classmethod
    def from_dict(cls, data: object, where: str = "term") -> "Term":
        """Read what ``to_dict`` wrote, checking all of it."""
        kinds = {"inputs": list, "weights": list, "map": str, "scale": float}
        fields = read_fields(data, where, kinds, required=())
        for name in ("inputs", "weights"):
            place = f"{where}.{name}"
            fields[name] = tuple(read_value(i, place, int) for i in fields.get(name, ()))
        with inside(where):
            return cls(**fields)


@dataclass(frozen=True)
class Angle:
    """The angle of a gate, θ = Σ_t scale_t · map_t(…) + offset, in radians.

    Angles can be added to each other and to numbers, and multiplied by numbers.

    Args:
        terms: the summands that depend on inputs or weights; none for a constant.
        offset: the constant summand, radians.

    Raises:
        InputError: if the offset is not finite.

    Example:
        >>> str(0.5 * Angle.input(0, map="arctan") + Angle.weight(1) - math.pi)
        '0.5·atan x0+w1-π'
    """

    terms: tuple[Term, ...] = ()
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what no device could evaluate."""
        require(math.isfinite(self.offset), "offset", self.offset, "be finite")
        # the sum turns -0.0 into 0.0, which would show in files
        object.__setattr__(self, "offset", self.offset + 0.0)

    @classmethod
    def input(cls, *indices: int, map: str = "identity") -> "Angle":
        """Return the angle map(x[i] for i of indices).

        Args:
            indices: which inputs, counted from 0; as many as the map takes.
            map: a function of ``fedqml.quantum.maps``, by name.

        Returns:
            The angle.

        Raises:
            InputError: as for ``Term``.

        Example:
            >>> str(Angle.input(2, map="arctan_square")), str(Angle.input(0, 1, map="product"))
            ('atan x2²', 'x0·x1')
        """
        return cls((Term(inputs=indices, map=map),))

    @classmethod
    def weight(cls, index: int) -> "Angle":
        """Return the angle w[index].

        Args:
            index: which weight, counted from 0.

        Returns:
            The angle.

        Raises:
            InputError: as for ``Term``.

        Example:
            >>> str(Angle.weight(3))
            'w3'
        """
        return cls((Term(weights=(index,)),))

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
        return cls(offset=value)

    @property
    def inputs(self) -> frozenset[int]:
        """The inputs that it depends on."""
        return frozenset(i for term in self.terms for i in term.inputs)

    @property
    def weights(self) -> frozenset[int]:
        """The weights that it depends on."""
        return frozenset(j for term in self.terms for j in term.weights)

    def __add__(self, other: "Angle | int | float") -> "Angle":
        """Return the sum, like terms joined."""
        if isinstance(other, int | float):
            return replace(self, offset=self.offset + other)
        scales: dict[Term, float] = {}
        for term in (*self.terms, *other.terms):
            like = replace(term, scale=1.0)
            scales[like] = scales.get(like, 0.0) + term.scale
        terms = tuple(replace(like, scale=scale) for like, scale in scales.items())
        return Angle(terms, self.offset + other.offset)

    def __mul__(self, factor: int | float) -> "Angle":
        """Return the angle times a number."""
        terms = tuple(replace(term, scale=term.scale * factor) for term in self.terms)
        return Angle(terms, self.offset * factor)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> "Angle":
        """Return the angle of the inverse gate."""
        return self * -1.0

    def __sub__(self, other: "Angle | int | float") -> "Angle":
        """Return the difference."""
        return self + -other

    def __str__(self) -> str:
        """Write the angle as in a drawing."""
        summands = [str(term) for term in self.terms]
        if self.offset != 0 or not self.terms:
            summands.append(_number(self.offset))
        first, *rest = summands
        return first + "".join(text if text.startswith("-") else f"+{text}" for text in rest)

    def shift(self, inputs: int, weights: int) -> "Angle":
        """Return the same angle of inputs and weights further on.

        Args:
            inputs: added to the index of every input.
            weights: added to the index of every weight.

        Returns:
            The angle.

        Raises:
            InputError: if an index becomes negative.

        Example:
            >>> str(Angle.weight(3).shift(inputs=0, weights=24))
            'w27'
        """
        moved = (
            replace(
                term,
                inputs=tuple(i + inputs for i in term.inputs),
                weights=tuple(j + weights for j in term.weights),
            )
            for term in self.terms
        )
        return replace(self, terms=tuple(moved))

    def to_dict(self) -> dict[str, Any]:
        """Return the angle as plain data.

        Returns:
            A table that JSON can hold; what has its default is left out.

        Example:
            >>> (Angle.input(0, map="arctan") + 0.5).to_dict()
            {'terms': [{'inputs': [0], 'map': 'arctan'}], 'offset': 0.5}
        """
        fields: dict[str, Any] = {}
        if self.terms:
            fields["terms"] = [term.to_dict() for term in self.terms]
        if self.offset != 0:
            fields["offset"] = self.offset
        return fields

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
            >>> str(Angle.from_dict({"terms": [{"inputs": [1]}]}))
            'x1'
        """
        fields = read_fields(data, where, {"terms": list, "offset": float}, required=())
        terms = (
            Term.from_dict(term, f"{where}.terms[{number}]")
            for number, term in enumerate(fields.get("terms", ()))
        )
        with inside(where):
            return cls(tuple(terms), fields.get("offset", 0.0))


Column = tuple[str, tuple[int, ...], tuple[int, ...]]
"""A number that angles are linear in: a map, and the inputs and weights it is applied to."""


def columns(
    wanted: Sequence[Column],
    x: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, " weights"],
) -> Float[Tensor, "... columns"]:
    """Return map(x_i…, w_j…) for every column.

    Columns of one form are computed together, one tensor expression instead of dozens: on small
    circuits the calls cost more than the arithmetic.

    Args:
        wanted: at least one column; either all of them read inputs or none does.
        x: the inputs, no unit; (*batch, inputs).
        w: the weights, radians; (weights,).

    Returns:
        (*batch, columns), without the batch if no input is read.

    Example:
        >>> columns([("product", (0,), (1,))], torch.tensor([[2.0], [3.0]]), torch.tensor([0, 5.0]))
        tensor([[10.],
                [15.]])
    """
    forms: dict[tuple[str, int, int], list[int]] = {}
    for number, (name, inputs, weights) in enumerate(wanted):
        forms.setdefault((name, len(inputs), len(weights)), []).append(number)
    parts = []
    for (name, n_inputs, n_weights), numbers in forms.items():
        arguments = []
        if n_inputs:
            arguments.append(_gather(x, [wanted[number][1] for number in numbers]))
        if n_weights:
            chosen = _gather(w, [wanted[number][2] for number in numbers])
            batch = x.shape[:-1] if n_inputs else ()
            arguments.append(chosen.expand(*batch, *chosen.shape))
        values = arguments[0] if len(arguments) == 1 else torch.cat(arguments, -1)
        parts.append(MAPS[name].apply(values))
    if len(parts) == 1:
        return parts[0]
    places = [number for numbers in forms.values() for number in numbers]
    order = sorted(range(len(places)), key=places.__getitem__)
    return torch.cat(parts, -1).index_select(-1, torch.tensor(order, device=w.device))


def _gather(values: Tensor, indices: Iterable[tuple[int, ...]]) -> Tensor:
    rows = list(indices)
    if rows == [(number,) for number in range(values.shape[-1])]:
        return values.unsqueeze(-1)  # all of them, in order: nothing to copy
    table = torch.tensor(rows, device=values.device)
    return values.index_select(-1, table.flatten()).unflatten(-1, table.shape)


def evaluate(
    angles: Sequence[Angle], x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "... angles"]:
    """Return the angles θ_g = Σ_t scale_t · map_t(…) + offset_g.

    Args:
        angles: at least one.
        x: the inputs, no unit; (*batch, inputs).
        w: the weights, radians; (weights,).

    Returns:
        (*batch, angles), radians, without the batch if none of them reads an input.

    Example:
        >>> x, w = torch.tensor([[0.5], [1.0]]), torch.tensor([0.5, 2.0])
        >>> evaluate([Angle.input(0) + Angle.weight(1)], x, w)
        tensor([[2.5000],
                [3.0000]])
    """
    terms = [term for angle in angles for term in angle.terms]
    offsets = torch.tensor([angle.offset for angle in angles], dtype=w.dtype, device=w.device)
    total = offsets
    for reads_inputs in (False, True):
        chosen = [term for term in terms if bool(term.inputs) == reads_inputs]
        if not chosen:
            continue
        owner = [
            number
            for number, angle in enumerate(angles)
            for term in angle.terms
            if bool(term.inputs) == reads_inputs
        ]
        values = columns([(t.map, t.inputs, t.weights) for t in chosen], x, w)
        values = values * torch.tensor([t.scale for t in chosen], dtype=w.dtype, device=w.device)
        # one term an angle, in order, is the usual case
        if owner != list(range(len(angles))):
            zeros = values.new_zeros(*values.shape[:-1], len(angles))
            values = zeros.index_add(-1, torch.tensor(owner, device=w.device), values)
        total = total + values
    return total


def _number(value: float) -> str:
    """Write a number in full where it is a simple multiple of π, else with four digits."""
    ratio = Fraction(value / math.pi).limit_denominator(16)
    if ratio == 0 or not math.isclose(float(ratio) * math.pi, value, rel_tol=1e-12):
        return f"{value:.4g}"
    numerator = {1: "π", -1: "-π"}.get(ratio.numerator, f"{ratio.numerator}π")
    return numerator if ratio.denominator == 1 else f"{numerator}/{ratio.denominator}"
