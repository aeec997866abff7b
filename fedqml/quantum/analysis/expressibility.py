"""How evenly a circuit with random weights reaches all states."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.analysis.sampling import inputs, over_states, weights
from fedqml.quantum.circuit import Circuit


@dataclass(frozen=True, eq=False)
class Expressibility:
    """How the fidelities of pairs of states differ from those of states drawn evenly.

    Args:
        divergence: Kullback and Leibler's, nats; 0 is the best, and idle gates have the worst.
        fractions: of the pairs, how many have their fidelity in each of the bins, which have
            equal widths and cover 0 to 1; (bins,).
        haar: the same of states drawn evenly, that is by Haar's measure; (bins,).
    """

    divergence: float
    fractions: Float[np.ndarray, " bins"]
    haar: Float[np.ndarray, " bins"]


def expressibility(
    circuit: Circuit, pairs: int = 5000, bins: int = 75, seed: int = 0
) -> Expressibility:
    """Return D = Σ_b p_b ln(p_b / q_b) of the histogram p of F = |⟨ψ(w)|ψ(w')⟩|².

    w and w' are uniform on [0, 2π), and both states of a pair have the same inputs, which are
    normal. q_b = (1 - F_b)^(N-1) - (1 - F_{b+1})^(N-1) is that of Haar's measure in N = 2^qubits
    dimensions. A perfect circuit has about (bins in use - 1) / (2 pairs), not 0, as pairs are
    finitely many: compare values of equal pairs and bins only.

    Args:
        circuit: what makes the states; what it measures does not matter.
        pairs: how many pairs of states.
        bins: of the histogram; the paper has 75.
        seed: equal seeds give equal numbers.

    Returns:
        The divergence, and both histograms.

    Raises:
        InputError: if there is no pair or bin, or a state vector is too large for memory.

    Example:
        >>> from fedqml.quantum.operation import Op
        >>> idle = Circuit(1, (Op("h", (0,)),))
        >>> round(expressibility(idle, pairs=10).divergence, 3)  # ln 75, the paper's "idle circuit"
        4.317

    Source:
        Sim, Johnson and Aspuru-Guzik, Expressibility and entangling capability of parameterized
        quantum circuits for hybrid quantum-classical algorithms, arXiv:1905.10876: "Expr".
    """
    require(pairs >= 1, "pairs", pairs, "be at least 1")
    require(bins >= 1, "bins", bins, "be at least 1")
    x = inputs(circuit, pairs, seed)
    left, right = (weights(circuit, pairs, seed, part) for part in (0, 1))
    fidelities = over_states(_fidelity, circuit, x, left, right)
    return against_haar(fidelities.numpy(), circuit.n_qubits, bins)


def _fidelity(left: Tensor, right: Tensor) -> Tensor:
    return (left.conj() * right).sum(-1).abs().square().clamp(max=1.0)


def against_haar(
    fidelities: Float[np.ndarray, " pairs"], qubits: int, bins: int = 75
) -> Expressibility:
    """Return how the histogram of fidelities differs from that of states drawn evenly.

    Args:
        fidelities: between 0 and 1.
        qubits: of the states.
        bins: of the histogram.

    Returns:
        The divergence, and both histograms.

    Example:
        >>> even = np.linspace(0.05, 0.95, 10)  # on a qubit all fidelities are equally likely
        >>> round(against_haar(even, qubits=1, bins=10).divergence, 12)
        0.0
    """
    counts, _ = np.histogram(fidelities, bins, (0.0, 1.0))
    fractions = counts / len(fidelities)
    logarithms = log_haar(qubits, bins)
    used = counts > 0
    terms = fractions[used] * (np.log(fractions[used]) - logarithms[used])
    return Expressibility(float(terms.sum()), fractions, np.exp(logarithms))


def log_haar(qubits: int, bins: int) -> Float[np.ndarray, " bins"]:
    """Return ln q_b, q_b being the chance that the fidelity of two even states lies in a bin.

    Args:
        qubits: how many.
        bins: of equal width, from 0 to 1.

    Returns:
        Logarithms, as the chances themselves soon leave the range of floating point; (bins,).

    Example:
        >>> np.exp(log_haar(qubits=1, bins=4))
        array([0.25, 0.25, 0.25, 0.25])

    Source:
        Zyczkowski and Sommers, Average fidelity between random quantum states,
        arXiv:quant-ph/0311117: (N - 1)(1 - F)^(N - 2) is the density.
    """
    power = 2.0**qubits - 1
    edges = np.arange(bins) / bins
    # (1 - u) / (1 - l) of the bin from l to u
    ratio = 1 - 1 / (bins - np.arange(bins))
    return power * np.log1p(-edges) + np.log(-np.expm1(power * np.log(np.maximum(ratio, 1e-300))))
