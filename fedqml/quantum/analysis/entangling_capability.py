"""How entangled the states of a circuit with random weights are."""

from dataclasses import dataclass
from functools import partial

from jaxtyping import Complex, Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.analysis.sampling import inputs, over_states, weights
from fedqml.quantum.circuit import Circuit


@dataclass(frozen=True)
class Entanglement:
    """Meyer and Wallach's measure of the states of a circuit.

    Args:
        mean: over random weights and inputs, between 0 and 1.
        sd: the sample standard deviation from state to state.
        samples: how many states.
    """

    mean: float
    sd: float
    samples: int


def entangling_capability(circuit: Circuit, samples: int = 5000, seed: int = 0) -> Entanglement:
    """Return mean and spread of Q over weights uniform on [0, 2π) and normal inputs.

    States drawn evenly, by Haar's measure, have the mean (N - 2)/(N + 1), N = 2^qubits.

    Args:
        circuit: what makes the states; what it measures does not matter.
        samples: how many states, at least 2.
        seed: equal seeds give equal numbers.

    Returns:
        Mean and spread.

    Raises:
        InputError: if there are fewer than two samples, or a state vector is too large for memory.

    Example:
        >>> from fedqml.quantum.operation import Op
        >>> bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1))))
        >>> round(entangling_capability(bell, samples=2).mean, 6)
        1.0

    Source:
        Sim, Johnson and Aspuru-Guzik, Expressibility and entangling capability of parameterized
        quantum circuits for hybrid quantum-classical algorithms, arXiv:1905.10876: "Ent".
    """
    require(samples >= 2, "samples", samples, "be at least 2")
    x, w = inputs(circuit, samples, seed), weights(circuit, samples, seed)
    measure = over_states(partial(meyer_wallach, qubits=circuit.n_qubits), circuit, x, w)
    return Entanglement(float(measure.mean()), float(measure.std()), samples)


def meyer_wallach(
    states: Complex[Tensor, "*batch amplitudes"], qubits: int
) -> Float[Tensor, "*batch"]:
    """Return Q = 2 - (2/n) Σ_k Tr ρ_k², ρ_k being the state of qubit k alone.

    Args:
        states: normalised; (*batch, 2^qubits).
        qubits: how many, n.

    Returns:
        From 0 for product states to 1 where every qubit is entirely mixed; (*batch,).

    Example:
        >>> import torch
        >>> meyer_wallach(torch.tensor([0.6, 0, 0, 0.8], dtype=torch.complex64), qubits=2)
        tensor(0.9216)

    Source:
        Meyer and Wallach, Global entanglement in multiparticle systems, arXiv:quant-ph/0108104;
        in this form by Brennen, arXiv:quant-ph/0305094.
    """
    batch = states.shape[:-1]
    total = states.new_zeros(batch).real
    for qubit in range(qubits):
        # rows: this qubit; columns: all others
        rows = states.reshape(*batch, 2**qubit, 2, -1).transpose(-3, -2).flatten(-2)
        density = rows @ rows.mH
        total = total + density.abs().square().sum((-2, -1))
    return 2 - 2 * total / qubits
