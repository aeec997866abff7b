"""The channels: each is one function from its parameters to its Kraus operators.

A channel maps the density matrix ρ to Σ_i K_i ρ K_i†, with Σ_i K_i†K_i = 1. Many sets of operators
K_i make the same channel. Where one exists, these are multiples of unitary matrices, as what is
applied at random then has a probability that does not depend on the state.
"""

import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from fedqml.core.errors import require
from fedqml.quantum.gates import I2, P0, PAULI, Matrix, X, Z


@dataclass(frozen=True)
class Definition:
    """A kind of channel.

    Args:
        kraus: its function, from parameters to Kraus operators; (operators, m, m).
        parameters: the names of its parameters.
        joint: whether it acts on all qubits of a gate together, their number being the function's
            last argument; if not, it acts on each of them alone.
    """

    kraus: Callable[..., Matrix]
    parameters: tuple[str, ...]
    joint: bool


CHANNELS: dict[str, Definition] = {}


def channel(function: Callable[..., Matrix]) -> Callable[..., Matrix]:
    """Enter a function in ``CHANNELS`` under its own name.

    Args:
        function: from parameters to Kraus operators; if the last one is called ``qubits``, the
            channel is joint.

    Returns:
        The function.

    Example:
        >>> CHANNELS["thermal_relaxation"].parameters
        ('t1', 't2', 'duration')
    """
    names = list(inspect.signature(function).parameters)
    joint = names[-1] == "qubits"
    parameters = tuple(names[:-1] if joint else names)
    CHANNELS[function.__name__] = Definition(function, parameters, joint)
    return function


@channel
def amplitude_damping(gamma: float) -> Matrix:
    """Return the decay of |1⟩ to |0⟩: K_0 = diag(1, √(1-γ)), K_1 = √γ |0⟩⟨1|.

    Args:
        gamma: γ, the probability that |1⟩ decays.

    Returns:
        (2, 2, 2).

    Raises:
        InputError: if γ is no probability.

    Example:
        >>> amplitude_damping(0.36)[0].real
        array([[1. , 0. ],
               [0. , 0.8]])

    Source:
        Nielsen and Chuang, Quantum Computation and Quantum Information, section 8.3.5.
    """
    _require_probability("gamma", gamma)
    kept = np.diag([1, math.sqrt(1 - gamma)])
    return np.stack([kept, math.sqrt(gamma) * _LOWER]).astype(complex)


@channel
def phase_damping(gamma: float) -> Matrix:
    """Return the loss of coherence, ρ_01 -> √(1-γ) ρ_01, as a random flip of the phase.

    The flip has the probability (1 - √(1-γ))/2; the channel is the same as that of the operators
    diag(1, √(1-γ)) and diag(0, √γ).

    Args:
        gamma: γ, the probability that the environment learns the bit.

    Returns:
        (2, 2, 2).

    Raises:
        InputError: if γ is no probability.

    Example:
        >>> (phase_damping(0.36) ** 2).real.round(decimals=3).diagonal(axis1=1, axis2=2)
        array([[0.9, 0.9],
               [0.1, 0.1]])

    Source:
        Nielsen and Chuang, Quantum Computation and Quantum Information, section 8.3.6.
    """
    _require_probability("gamma", gamma)
    return phase_flip((1 - math.sqrt(1 - gamma)) / 2)


@channel
def thermal_relaxation(t1: float, t2: float, duration: float) -> Matrix:
    """Return relaxation at temperature 0: ρ_11 -> e^(-t/T1) ρ_11, ρ_01 -> e^(-t/T2) ρ_01.

    It is amplitude damping with γ = 1 - e^(-t/T1), and a flip of the phase that does the rest, with
    the probability (1 - e^(t/(2 T1) - t/T2))/2.

    Args:
        t1: T1, the time in which the excited state decays.
        t2: T2, the time in which coherence is lost; at most 2 T1.
        duration: t, in the unit of both.

    Returns:
        (3, 2, 2).

    Raises:
        InputError: if a time is negative or 0, or T2 is too long.

    Example:
        >>> kraus = thermal_relaxation(t1=50.0, t2=70.0, duration=35.0)
        >>> decayed = sum(k @ np.full((2, 2), 0.5) @ k.conj().T for k in kraus)
        >>> decayed.real.round(decimals=3)  # e^(-1/2)/2 = 0.303, e^(-0.7)/2 = 0.248
        array([[0.752, 0.303],
               [0.303, 0.248]])

    Source:
        Krantz et al., A quantum engineer's guide to superconducting qubits, arXiv:1904.06560,
        section III.B (the decay of a qubit without excitation from its surroundings).
    """
    require(t1 > 0, "t1", t1, "be positive")
    require(0 < t2 <= 2 * t1, "t2", t2, f"be positive and at most 2 t1 = {2 * t1}")
    require(duration >= 0, "duration", duration, "be at least 0")
    # amplitude damping by its exponents: what is left after a long time is lost in 1 - γ
    kept = np.diag([1, math.exp(-duration / (2 * t1))])
    decayed = math.sqrt(-math.expm1(-duration / t1)) * _LOWER
    # for T2 = 2 T1 the exponent may be positive by a rounding error
    flip = max(0.0, -math.expm1(duration / (2 * t1) - duration / t2) / 2)
    # Z in front of the decayed state |0⟩ would change nothing
    return np.stack([math.sqrt(1 - flip) * kept, math.sqrt(flip) * Z @ kept, decayed])


@channel
def bit_flip(p: float) -> Matrix:
    """Return a random X: ρ -> (1-p) ρ + p XρX.

    Args:
        p: the probability of the flip.

    Returns:
        (2, 2, 2).

    Raises:
        InputError: if ``p`` is no probability.

    Example:
        >>> bit_flip(0.36)[1].real
        array([[0. , 0.6],
               [0.6, 0. ]])

    Source:
        Nielsen and Chuang, Quantum Computation and Quantum Information, section 8.3.3.
    """
    return _at_random(X, p)


@channel
def phase_flip(p: float) -> Matrix:
    """Return a random Z: ρ -> (1-p) ρ + p ZρZ; the rest is as for ``bit_flip``.

    Example:
        >>> phase_flip(0.36)[1].real
        array([[ 0.6,  0. ],
               [ 0. , -0.6]])
    """
    return _at_random(Z, p)


@channel
def depolarising(p: float, qubits: int) -> Matrix:
    """Return the loss of the state: ρ -> (1-p) ρ + p 1/2^k, for a gate on k qubits.

    Each of the 4^k Pauli words, 1 among them, is applied with the probability p/4^k, and else
    nothing. (Others call p what is the probability of a word other than 1, here p (1 - 4^-k).)

    Args:
        p: the probability that the state is lost.
        qubits: k.

    Returns:
        (4^k, 2^k, 2^k).

    Raises:
        InputError: if ``p`` is no probability.

    Example:
        >>> plus = np.full((2, 2), 0.5)
        >>> sum(k @ plus @ k.conj().T for k in depolarising(0.2, qubits=1)).real
        array([[0.5, 0.4],
               [0.4, 0.5]])

    Source:
        Nielsen and Chuang, Quantum Computation and Quantum Information, section 8.3.4.
    """
    _require_probability("p", p)
    words = [reduce(np.kron, word) for word in itertools.product(_WORDS, repeat=qubits)]
    weights = [p / len(words)] * len(words)
    weights[0] += 1 - p
    return np.stack([math.sqrt(q) * word for q, word in zip(weights, words, strict=True)])


_LOWER = P0 @ X
_WORDS = (I2, *PAULI.values())


def _at_random(operator: Matrix, p: float) -> Matrix:
    """Return the channel that applies a unitary with the probability ``p``, and else nothing."""
    _require_probability("p", p)
    return np.stack([math.sqrt(1 - p) * I2, math.sqrt(p) * operator])


def _require_probability(name: str, value: float) -> None:
    require(0 <= value <= 1, name, value, "be a probability, from 0 to 1")
