"""What evaluates circuits."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.circuit import Circuit


@runtime_checkable
class Device(Protocol):
    """A pure function that returns the expectation values of a circuit's observables.

    It calls ``check_arguments`` first. ``torch.func`` may differentiate it and map it over
    inputs, weights or both.
    """

    def __call__(
        self,
        circuit: Circuit,
        x: Float[Tensor, "*batch inputs"],
        w: Float[Tensor, " weights"],
        /,
    ) -> Float[Tensor, "*batch observables"]:
        """Return ⟨P⟩ for every example and observable.

        Args:
            circuit: what to evaluate; measures at least one observable.
            x: the inputs, one row an example, no unit; (*batch, inputs).
            w: the weights, the same for every example, radians; (weights,).

        Returns:
            Expectation values between -1 and 1; (*batch, observables).

        Raises:
            InputError: if the circuit, ``x`` and ``w`` do not fit each other.
        """
        ...


def check_arguments(circuit: Circuit, x: Tensor, w: Tensor) -> None:
    """Refuse inputs and weights that the circuit cannot read.

    Args:
        circuit: what to evaluate.
        x: the inputs, (*batch, inputs).
        w: the weights, (weights,).

    Raises:
        InputError: if nothing is measured, a length is wrong, or the numbers are not all float32
            or all float64.

    Example:
        >>> check_arguments(Circuit(1, ()).measure("Z0"), torch.zeros(5, 3), torch.zeros(0))
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `x.shape` must be (*batch, 0), as the circuit \
reads that many inputs, but x.shape=(5, 3).
    """
    require(bool(circuit.observables), "circuit.observables", (), "have at least one entry")
    for name, values, batch, what, count in (
        ("x", x, "*batch, ", "inputs", circuit.n_inputs),
        ("w", w, "", "weights", circuit.n_weights),
    ):
        shape = tuple(values.shape)
        form = f"be ({batch}{count}{'' if batch else ','}), as the circuit reads that many {what}"
        fits = shape[-1:] == (count,) and (bool(batch) or len(shape) == 1)
        require(fits, f"{name}.shape", shape, form)
        real = values.dtype in (torch.float32, torch.float64)
        require(real, f"{name}.dtype", values.dtype, "be float32 or float64")
    require(x.dtype == w.dtype, "x.dtype", x.dtype, f"equal the weights' {w.dtype}")
