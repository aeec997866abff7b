"""Circuits whose angles are inputs: what a rule for gradients works on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from jaxtyping import Float
from torch import Tensor

from fedqml.quantum.angle import Angle, evaluate
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import Rotation
from fedqml.quantum.operation import Op
from fedqml.quantum.shifts import shift_rule


@dataclass(frozen=True)
class Shift:
    """A term of a parameter-shift rule, c f(θ_k + s).

    Args:
        angle: k, which input of the opened circuit.
        coefficient: c.
        amount: s, radians.
    """

    angle: int
    coefficient: float
    amount: float


@dataclass(frozen=True)
class Opened:
    """A circuit opened at its angles.

    Args:
        circuit: every gate whose angle is not constant reads an input of its own, and no weights.
        angles: the angles that are its inputs, in their order: those that depend on inputs alone,
            on weights alone, and on both.
        shifts: the shift rules of all these gates, in the same order.
    """

    circuit: Circuit
    angles: tuple[tuple[Angle, ...], tuple[Angle, ...], tuple[Angle, ...]]
    shifts: tuple[Shift, ...]

    def read(
        self, x: Float[Tensor, "batch inputs"], w: Float[Tensor, " weights"]
    ) -> list[Float[Tensor, "batch angles"]]:
        """Return the angles of every example.

        Args:
            x: the inputs of the circuit before it was opened; (batch, inputs).
            w: its weights, radians; (weights,).

        Returns:
            Those of inputs alone, those of weights alone, and those of both, radians.

        Example:
            >>> import torch
            >>> turns = Circuit(1, (Op("ry", (0,), Angle.input(0) + Angle.weight(0)),))
            >>> opened(turns).read(torch.tensor([[1.0], [2.0]]), torch.tensor([0.5]))[2]
            tensor([[1.5000],
                    [2.5000]])
        """
        return [
            evaluate(group, x, w).expand(len(x), -1) if group else x[:, :0] for group in self.angles
        ]


@lru_cache(maxsize=128)
def opened(circuit: Circuit) -> Opened:
    """Return the circuit with every gate's angle as an input of its own.

    A weight that turns several gates becomes several inputs, so each can be shifted alone.

    Args:
        circuit: any circuit.

    Returns:
        The opened circuit, the same one for equal circuits.

    Example:
        >>> twice = Circuit(1, (Op("rx", (0,), Angle.weight(0)), Op("ry", (0,), Angle.weight(0))))
        >>> print(opened(twice).circuit.draw())
        0: ──RX(x0)──RY(x1)──
    """
    groups: tuple[list[int], list[int], list[int]] = ([], [], [])
    for number, op in enumerate(circuit.ops):
        if op.angle and op.angle.terms:
            # 0, 1 and 2 as in ``Opened.angles``
            groups[bool(op.angle.weights) * (1 + bool(op.angle.inputs))].append(number)
    ordered = [number for group in groups for number in group]
    ops = list(circuit.ops)
    for k, number in enumerate(ordered):
        ops[number] = replace(ops[number], angle=Angle.input(k))
    by_inputs, by_weights, by_both = (
        tuple(_angle(circuit.ops[number]) for number in group) for group in groups
    )
    return Opened(
        replace(circuit, ops=tuple(ops)),
        (by_inputs, by_weights, by_both),
        tuple(_shifts(circuit.ops[number] for number in ordered)),
    )


def _angle(op: Op) -> Angle:
    assert op.angle is not None, "only asked of gates with an angle"
    return op.angle


def _shifts(ops: Iterable[Op]) -> Iterable[Shift]:
    for k, op in enumerate(ops):
        assert isinstance(op.definition, Rotation), "only these have an angle"
        for coefficient, amount in shift_rule(op.definition):
            yield Shift(k, coefficient, amount)
