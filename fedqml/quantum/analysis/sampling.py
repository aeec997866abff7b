"""Random points at which circuits are analysed, and what is found there."""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.random import stream
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import check_memory
from fedqml.quantum.devices.reference import state_vectors
from fedqml.quantum.devices.statevector import statevector

_AMPLITUDES = 2**21  # kept at a time: 32 MiB, or one state of each set of weights


def inputs(circuit: Circuit, samples: int, seed: int) -> Float[Tensor, "samples inputs"]:
    """Draw inputs as of standardised features: independent and normal, mean 0 and variance 1.

    Args:
        circuit: what reads them.
        samples: how many examples.
        seed: equal seeds give equal inputs.

    Returns:
        (samples, inputs), float64, no unit.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> inputs(arctan(qubits=3), samples=5, seed=0).shape
        torch.Size([5, 3])
    """
    drawn = stream(seed, "analysis: inputs").standard_normal((samples, circuit.n_inputs))
    return torch.from_numpy(drawn)


def weights(
    circuit: Circuit, samples: int, seed: int, part: int = 0
) -> Float[Tensor, "samples weights"]:
    """Draw weights as a layer begins with: independent and uniform on [0, 2π).

    Args:
        circuit: what reads them.
        samples: how many sets of weights.
        seed: equal seeds give equal weights.
        part: different ones are independent.

    Returns:
        (samples, weights), float64, radians.

    Raises:
        InputError: if there are no samples.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> weights(rot_cnot(qubits=3), samples=5, seed=0).shape
        torch.Size([5, 18])
    """
    require(samples >= 1, "samples", samples, "be at least 1")
    drawn = stream(seed, "analysis: weights", part).random((samples, circuit.n_weights))
    return torch.from_numpy(2 * math.pi * drawn)


def states(
    circuit: Circuit, x: Float[Tensor, "samples inputs"], w: Float[Tensor, "samples weights"]
) -> Complex[Tensor, "samples amplitudes"]:
    """Return the state vector of every sample.

    Args:
        circuit: its gates are meant.
        x: inputs; (samples, inputs).
        w: weights, radians; (samples, weights).

    Returns:
        (samples, 2^qubits).

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> circuit = rot_cnot(qubits=2)
        >>> w = weights(circuit, samples=3, seed=0)
        >>> states(circuit, torch.zeros(3, 0, dtype=torch.float64), w).shape
        torch.Size([3, 4])
    """
    return torch.vmap(partial(state_vectors, circuit))(x, w)


def over_states(
    measure: Callable[..., Float[Tensor, " some"]],
    circuit: Circuit,
    x: Float[Tensor, "samples inputs"],
    *sets: Float[Tensor, "samples weights"],
) -> Float[Tensor, " samples"]:
    """Return a number for every sample, from its state vectors, of which few are kept at a time.

    Args:
        measure: of the states of some samples, (some, 2^qubits), one such argument for each set
            of weights.
        circuit: its gates are meant.
        x: inputs, the same for all sets; (samples, inputs).
        sets: one or several sets of weights, radians; each (samples, weights).

    Returns:
        (samples,).

    Raises:
        InputError: if a state vector is too large for memory.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> circuit = rot_cnot(qubits=2)
        >>> w = weights(circuit, samples=3, seed=0)
        >>> over_states(lambda psi: psi.norm(dim=-1), circuit, w[:, :0], w).sum().round()
        tensor(3., dtype=torch.float64)
    """
    check_memory(circuit)
    chunk = max(1, _AMPLITUDES // (len(sets) << circuit.n_qubits))
    parts = zip(x.split(chunk), *(w.split(chunk) for w in sets), strict=True)
    return torch.cat([measure(*(states(circuit, some, w) for w in ws)) for some, *ws in parts])


def slopes(
    circuit: Circuit, samples: int, seed: int
) -> Float[Tensor, "samples observables weights"]:
    """Return ∂⟨P⟩/∂w at random inputs and weights, for every observable P and weight w.

    Args:
        circuit: measures at least one observable and reads at least one weight.
        samples: how many points.
        seed: equal seeds give equal points.

    Returns:
        (samples, observables, weights), float64, 1/radian.

    Raises:
        InputError: if there are no samples, observables or weights.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> slopes(rot_cnot(qubits=2).measure("Z0"), samples=5, seed=0).shape
        torch.Size([5, 1, 12])
    """
    require(circuit.n_weights >= 1, "circuit.n_weights", 0, "be at least 1")
    device = statevector()

    def one(w: Tensor, x: Tensor) -> Tensor:
        return device(circuit, x, w)

    w = weights(circuit, samples, seed)
    return torch.vmap(torch.func.jacrev(one))(w, inputs(circuit, samples, seed))
