"""Gradients by the parameter-shift rule, as hardware has to compute them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from fedqml.core.hashing import fold
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Configured, Cost, Device
from fedqml.quantum.devices.statevector import or_statevector
from fedqml.quantum.estimate import Estimate, in_chunks
from fedqml.quantum.opened import Opened, opened
from fedqml.quantum.plugins import InnerDevice
from fedqml.quantum.shifts import shifted_circuits


def parameter_shift(device: InnerDevice = None) -> Device:
    """Return a device with the values of another one, and gradients from shifted circuits.

    ∂f/∂θ = Σ c f(θ + s) for the angle θ of every gate that needs it, inputs' and weights', with
    the gate's coefficients c and shifts s; what leads to the angle, such as a weight that several
    share, is left to the chain rule. All shifted circuits of all examples, and of all clients
    mapped by ``torch.vmap``, go to the inner device together. If that is random, each draws anew.
    Derivatives of higher order are shifts of shifts; PyTorch refuses forward ones.

    Args:
        device: evaluates the circuits, shifted or not; need not have gradients. None for
            ``statevector``.

    Returns:
        The device, a function that can be pickled.

    Example:
        >>> from fedqml.quantum import Angle, Op
        >>> turn = Circuit(1, (Op("ry", (0,), Angle.weight(0)),)).measure("Z0")
        >>> w = torch.tensor([0.5])  # ⟨Z⟩ = cos w
        >>> torch.func.grad(lambda w: parameter_shift()(turn, w[:0], w).sum())(w)
        tensor([-0.4794])

    Source:
        Mitarai, Negoro, Kitagawa and Fujii, Quantum circuit learning, arXiv:1803.00745, eq. (3);
        for several frequencies Wierichs, Izaac, Wang and Lin, General parameter-shift rules for
        quantum gradients, arXiv:2107.12390, section 3; of second order Mari, Bromley and
        Killoran, Estimating the gradient and higher-order derivatives on quantum hardware,
        arXiv:2008.06517, eq. (14).
    """
    inner = or_statevector(device)
    return Device(
        Configured(_evaluate, (inner,)),
        random=inner.random,
        forward=inner.forward,
        gradient=Configured(_gradient_cost, (inner,)),
        noise=inner.noise,
    )


def _gradient_cost(device: Device, circuit: Circuit, inputs: bool = True) -> Cost:
    return (1 + shifted_circuits(circuit, inputs)) * device.forward(circuit)


def _evaluate(
    device: Device,
    circuit: Circuit,
    x: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, " weights"],
    key: Int[Tensor, "*batch"] | None = None,
) -> Float[Tensor, "*batch observables"]:
    batch, target = x.shape[:-1], opened(circuit)
    angles = target.read(x.reshape(batch.numel(), x.shape[-1]), w)
    keys = x.new_zeros(batch.numel(), dtype=torch.int64) if key is None else key.flatten()
    rule = _Shifts(device, target, np.zeros((1, 0), dtype=np.int64))
    return Estimate.apply(rule, keys, *angles).reshape(*batch, len(circuit.observables))


@dataclass(frozen=True, eq=False)
class _Shifts:
    """A rule: every point, shifted in several ways.

    Args:
        device: evaluates the shifted circuits.
        opened: the circuit.
        paths: for every way, the numbers of the shifts that are done one after the other, none
            for the values, one for gradients, two for second derivatives; (ways, order).
    """

    device: Device
    opened: Opened
    paths: NDArray[np.int64]

    def values(
        self, key: Int[Tensor, " rows"], point: Sequence[Float[Tensor, "rows _"]]
    ) -> Float[Tensor, "rows ways observables"]:
        """Return the values of all rows, shifted in all ways."""
        angles = torch.cat(list(point), -1)
        ways, circuit = len(self.paths), self.opened.circuit
        moves = np.zeros((ways, angles.shape[-1]))
        for way, path in enumerate(self.paths):
            for shift in (self.opened.shifts[number] for number in path):
                moves[way, shift.angle] += shift.amount
        by_way = torch.tensor(moves, dtype=angles.dtype, device=angles.device)
        paths = torch.tensor(self.paths, device=angles.device)

        def evaluate(numbers: Tensor) -> Tensor:
            row, way = numbers // ways, numbers % ways
            moved = angles[row] + by_way[way]
            if not self.device.random:
                return self.device(circuit, moved, moved.new_zeros(0))
            keys = key[row]
            for step in paths[way].unbind(-1):
                keys = fold(keys, step)
            return self.device(circuit, moved, moved.new_zeros(0), keys)

        found = in_chunks(len(angles) * ways, evaluate)
        return found.reshape(len(angles), ways, found.shape[-1])

    def pull(
        self,
        key: Int[Tensor, " rows"],
        point: Sequence[Float[Tensor, "rows _"]],
        cotangents: Float[Tensor, "rows ways observables"],
        wanted: Sequence[bool],
    ) -> Sequence[Float[Tensor, "rows _"]]:
        """Return the gradients, from one more shift in all ways."""
        sizes = [group.shape[-1] for group in point]
        needed = np.repeat(wanted, sizes)
        numbers = [k for k, shift in enumerate(self.opened.shifts) if needed[shift.angle]]
        if not numbers:
            return [torch.zeros_like(group) for group in point]
        ways, count = len(self.paths), len(numbers)
        paths = np.column_stack([self.paths.repeat(count, 0), np.tile(numbers, ways)])
        found = Estimate.apply(replace(self, paths=paths), key, *point)
        slopes = (found.unflatten(1, (ways, count)) * cotangents[:, :, None]).sum((1, 3))
        rules = np.zeros((count, len(needed)))
        for k, number in enumerate(numbers):
            shift = self.opened.shifts[number]
            rules[k, shift.angle] = shift.coefficient
        total = slopes @ torch.tensor(rules, dtype=slopes.dtype, device=slopes.device)
        return total.split(sizes, -1)
