"""What evaluates circuits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.hashing import fold
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.noise import Noise


@dataclass(frozen=True)
class Cost:
    """What a device does for one example.

    Args:
        evaluations: how often it evaluates a circuit, simulated or on hardware.
        shots: how often it runs one and measures, if it does not compute exact values.

    Example:
        >>> 3 * (Cost(1, 100) + Cost(1))
        Cost(evaluations=6, shots=300)
    """

    evaluations: int
    shots: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        """Return the cost of both."""
        return Cost(self.evaluations + other.evaluations, self.shots + other.shots)

    def __rmul__(self, times: int) -> "Cost":
        """Return the cost of doing it several times."""
        return Cost(times * self.evaluations, times * self.shots)


def one_evaluation(circuit: Circuit, inputs: bool = True) -> Cost:
    """Return the cost of a simulation, and of its gradient by backpropagation or adjoint."""
    return Cost(1)


@dataclass(frozen=True)
class Configured:
    """A function with its first arguments, which equals another one with equal arguments.

    ``functools.partial`` compares by identity. But clients are trained as one batch only if their
    devices are equal, and equal ones may come from other calls, files and processes.

    Args:
        function: what to call; one of a module, so that it can be pickled.
        settings: its first arguments; hashable.

    Example:
        >>> half = Configured(pow, (0.5,))
        >>> half(2), half == Configured(pow, (0.5,)), half == Configured(pow, (0.25,))
        (0.25, True, False)
    """

    function: Callable[..., Any]
    settings: tuple[Any, ...]

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns for the settings and further arguments."""
        return self.function(*self.settings, *arguments)


@dataclass(frozen=True)
class Device:
    """A pure function that returns the expectation values of a circuit's observables.

    ``torch.func`` may differentiate it and map it over inputs, weights or both. Devices of equal
    settings are equal, also after they were pickled: their functions are those of modules, or
    ``Configured``.

    Args:
        evaluate: ``(circuit, x, w)``, or ``(circuit, x, w, key)`` if it is random, to values. The
            arguments have been checked, and there is a key for every example.
        random: whether the values are drawn, so that a key is needed.
        forward: the cost of an example's values, by circuit.
        gradient: the cost of an example's values and gradients, by circuit and whether gradients
            of inputs are wanted, too.
        noise: of the hardware that it stands for, as far as fedqml knows it.

    Example:
        >>> from fedqml.quantum.devices import statevector
        >>> statevector().random
        False
    """

    evaluate: Callable[..., Tensor]
    random: bool = False
    forward: Callable[[Circuit], Cost] = one_evaluation
    gradient: Callable[[Circuit, bool], Cost] = one_evaluation
    noise: Noise = field(default_factory=Noise)

    def __call__(
        self,
        circuit: Circuit,
        x: Float[Tensor, "*batch inputs"],
        w: Float[Tensor, " weights"],
        key: Int[Tensor, "*keys"] | None = None,
    ) -> Float[Tensor, "*batch observables"]:
        """Return ⟨P⟩, or an estimate of it, for every example and observable P.

        Args:
            circuit: what to evaluate; measures at least one observable.
            x: the inputs, one row an example, no unit; (*batch, inputs).
            w: the weights, the same for every example, radians; (weights,).
            key: 63 random bits, for all examples together or for each; () or (*batch,). Equal keys
                give equal values, on CPUs and GPUs; exact devices need none.

        Returns:
            Expectation values between -1 and 1; (*batch, observables).

        Raises:
            InputError: if the circuit, ``x`` and ``w`` do not fit each other, or the device is
                random and there is no key.
        """
        check_arguments(circuit, x, w)
        if not self.random:
            return self.evaluate(circuit, x, w)
        require(key is not None, "key", None, "be given, as the device draws random numbers")
        assert key is not None, "just checked"
        batch, key = x.shape[:-1], key.to(x.device)
        if key.shape != batch:
            allowed = f"be () or {tuple(batch)}, the batch of `x`"
            require(key.ndim == 0, "key.shape", tuple(key.shape), allowed)
            key = fold(key, torch.arange(batch.numel(), device=key.device)).reshape(batch)
        return self.evaluate(circuit, x, w, key)


def check_arguments(circuit: Circuit, x: Tensor, w: Tensor) -> None:
    """Refuse inputs and weights that the circuit cannot read.

    Args:
        circuit: what to evaluate.
        x: the inputs, (*batch, inputs).
        w: the weights, (weights,).

    Raises:
        InputError: if nothing is measured, a length is wrong, or the numbers are not all float32
            or all float64, or not all on the same device of PyTorch's, such as ``"cuda"``.

    Example:
        >>> check_arguments(Circuit(1, ()).measure("Z0"), torch.zeros(5, 3), torch.zeros(0))
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `x.shape` must be (*batch, 0), as the circuit \
reads that many inputs, but x.shape=(5, 3).
    """
    inputs, weights, real = circuit.n_inputs, circuit.n_weights, (torch.float32, torch.float64)
    if (
        circuit.observables
        and x.dtype == w.dtype
        and x.dtype in real
        and x.shape[-1:] == (inputs,)
        and w.shape == (weights,)
        and x.device == w.device
    ):
        return  # writing the messages below takes longer than many a small circuit
    require(bool(circuit.observables), "circuit.observables", (), "have at least one entry")
    for name, values, batch, what, count in (
        ("x", x, "*batch, ", "inputs", inputs),
        ("w", w, "", "weights", weights),
    ):
        shape = tuple(values.shape)
        form = f"be ({batch}{count}{'' if batch else ','}), as the circuit reads that many {what}"
        fits = shape[-1:] == (count,) and (bool(batch) or len(shape) == 1)
        require(fits, f"{name}.shape", shape, form)
        require(values.dtype in real, f"{name}.dtype", values.dtype, "be float32 or float64")
    require(x.dtype == w.dtype, "x.dtype", x.dtype, f"equal the weights' {w.dtype}")
    places = str(x.device), str(w.device)
    require(x.device == w.device, "x.device", places[0], f"equal the weights' {places[1]}")


# A state of so many qubits takes 1 GiB in double precision.
_MOST_QUBITS = 26


def check_memory(circuit: Circuit) -> None:
    """Refuse circuits whose state vector no usual machine has memory for.

    Args:
        circuit: what to simulate.

    Raises:
        InputError: if it has more than 26 qubits.

    Example:
        >>> check_memory(Circuit(40, ()))
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `n_qubits` must be at most 26 for a state vector, \
as the memory it takes doubles with each, 1 GiB an example with 26, but n_qubits=40.
    """
    allowed = (
        f"be at most {_MOST_QUBITS} for a state vector, as the memory it takes doubles with each, "
        f"1 GiB an example with {_MOST_QUBITS}"
    )
    require(circuit.n_qubits <= _MOST_QUBITS, "n_qubits", circuit.n_qubits, allowed)
