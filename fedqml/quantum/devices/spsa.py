"""Gradients from a few random directions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.errors import require, whole
from fedqml.core.hashing import bits, fold
from fedqml.quantum.angle import Term
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Configured, Cost, Device
from fedqml.quantum.devices.statevector import or_statevector
from fedqml.quantum.estimate import Estimate, in_chunks
from fedqml.quantum.plugins import InnerDevice


def spsa(device: InnerDevice = None, step: float = 0.1, repeats: int = 1) -> Device:
    """Return a device with the values of another one, and gradients by simultaneous perturbation.

    All weights and inputs θ of an example that need a gradient are moved at once, by a step c in a
    direction Δ whose entries are ±1: ∂f/∂θ_k ≈ (f(θ + cΔ) - f(θ - cΔ)) / (2c Δ_k). Each example
    draws directions of its own from its key. The mean over directions differs from the gradient by
    terms in c². Two values suffice whatever the number of weights, but the spread grows with it.
    PyTorch refuses forward derivatives.

    Args:
        device: evaluates the circuits; need not have gradients. None for ``statevector``.
        step: c, in the units of weights and inputs, above 0. A random inner device needs a large
            one, as its spread is divided by 2c.
        repeats: over how many directions the gradient is averaged, at least 1.

    Returns:
        The device, a function that can be pickled.

    Raises:
        InputError: if the step is not above 0 and finite, or ``repeats`` no number from 1 on.

    Example:
        >>> from fedqml.quantum import Angle, Op
        >>> turn = Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure("Z0")
        >>> w, key = torch.tensor([0.5]), torch.tensor(1)  # ⟨Z⟩ = cos w
        >>> torch.func.grad(lambda w: spsa()(turn, w[:0], w, key).sum())(w)  # -sin w · sin(c)/c
        tensor([-0.4786])

    Source:
        Spall, Multivariate stochastic approximation using a simultaneous perturbation gradient
        approximation, IEEE Trans. Autom. Control 37 (1992) 332, eq. (2.2), and section III.B for
        averages.
    """
    inner = or_statevector(device)
    require(0 < step < math.inf, "step", step, "be above 0 and finite")
    repeats = whole("repeats", repeats, least=1)
    return Device(
        Configured(_evaluate, (inner, step, repeats)),
        random=True,
        forward=inner.forward,
        gradient=Configured(_gradient_cost, (inner, repeats)),
        noise=inner.noise,
    )


def _gradient_cost(device: Device, repeats: int, circuit: Circuit, inputs: bool = True) -> Cost:
    return (1 + 2 * repeats) * device.forward(circuit)


def _evaluate(
    device: Device,
    step: float,
    repeats: int,
    circuit: Circuit,
    x: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, " weights"],
    key: Int[Tensor, "*batch"],
) -> Float[Tensor, "*batch observables"]:
    batch = x.shape[:-1]
    rows = x.reshape(batch.numel(), x.shape[-1])
    rule = _Directions(device, _of_inputs_alone(circuit), step, repeats)
    values = Estimate.apply(rule, key.flatten(), rows, w.expand(len(rows), -1))
    return values.reshape(*batch, len(circuit.observables))


@lru_cache(maxsize=128)
def _of_inputs_alone(circuit: Circuit) -> Circuit:
    """Return the circuit with its weights as inputs behind its own: each example has some."""

    def moved(term: Term) -> Term:
        weights = tuple(circuit.n_inputs + j for j in term.weights)
        return replace(term, inputs=term.inputs + weights, weights=())

    ops = (
        op
        if op.angle is None
        else replace(op, angle=replace(op.angle, terms=tuple(moved(t) for t in op.angle.terms)))
        for op in circuit.ops
    )
    return replace(circuit, ops=tuple(ops))


@dataclass(frozen=True, eq=False)
class _Directions:
    """A rule: the values at every point, and gradients from points on both sides of it.

    Args:
        device: evaluates the circuit.
        circuit: reads inputs only, the weights being the last of them.
        step: the distance of the points on both sides.
        repeats: how many directions there are.
    """

    device: Device
    circuit: Circuit
    step: float
    repeats: int

    def values(
        self, key: Int[Tensor, " rows"], point: Sequence[Float[Tensor, "rows _"]]
    ) -> Float[Tensor, "rows observables"]:
        """Return the values of all rows."""
        inputs = torch.cat(list(point), -1)

        def evaluate(numbers: Tensor) -> Tensor:
            part = inputs[numbers]
            keys = key[numbers] if self.device.random else None
            return self.device(self.circuit, part, part.new_zeros(0), keys)

        return in_chunks(len(inputs), evaluate)

    def pull(
        self,
        key: Int[Tensor, " rows"],
        point: Sequence[Float[Tensor, "rows _"]],
        cotangents: Float[Tensor, "rows observables"],
        wanted: Sequence[bool],
    ) -> Sequence[Float[Tensor, "rows _"]]:
        """Return the gradients, from the values at 2 · repeats points for every row."""
        centre, sizes = torch.cat(list(point), -1), [part.shape[-1] for part in point]
        keys = fold(key[:, None], torch.arange(2 * self.repeats, device=key.device))
        # the points on both sides share the direction, that of the first one's key
        places = torch.arange(sum(sizes), device=key.device)
        signs = (1 - 2 * (bits(keys[:, ::2, None], places) & 1)).to(centre.dtype)
        moved = torch.tensor(np.repeat(wanted, sizes), device=key.device)
        moves = self.step * signs * moved
        points = centre[:, None] + torch.stack([moves, -moves], 2).flatten(1, 2)
        parts = points.flatten(0, 1).split(sizes, -1)
        found = Estimate.apply(self, keys.flatten(), *parts).unflatten(0, keys.shape)
        slopes = ((found[:, ::2] - found[:, 1::2]) * cotangents[:, None]).sum(-1)
        total = (slopes[..., None] * signs).mean(1) / (2 * self.step)
        return total.split(sizes, -1)
