"""The simulation of noise by state vectors to which random operators are applied."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from fedqml.core.errors import whole
from fedqml.core.hashing import uniform
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Configured, Cost, Device
from fedqml.quantum.devices.reference import apply, unitaries
from fedqml.quantum.gates import I2, PAULI, Matrix
from fedqml.quantum.joining import Step, joined
from fedqml.quantum.lightcone import reachable
from fedqml.quantum.noise import Noise
from fedqml.quantum.noise.model import as_noise
from fedqml.quantum.pauli import Pauli

# More examples are evaluated one part after the other, so that memory stays bounded.
_AMPLITUDES = 1 << 20


def trajectories(noise: Noise | dict[str, Any] | None = None, samples: int = 100) -> Device:
    """Return the device for estimates of noisy circuits' expectation values, for more qubits.

    Of every channel one Kraus operator K_i is drawn and K_i/√q_i applied. The probabilities
    q_i = tr(K_i†K_i)/2^k depend neither on the state nor on any angle. So the mean of ⟨ψ|P|ψ⟩ has
    the expectation Σ_i q_i ⟨ψ_0|(K_i/√q_i)† P (K_i/√q_i)|ψ_0⟩ = tr(Pρ) for all angles, and its
    gradient has that of the true one, with a single sample as with many: few serve training.

    Where the K_i/√q_i are unitary, as for flips, phase damping and depolarising, ψ keeps its norm
    and a sample's variance is at most 1 - ⟨P⟩². For amplitude damping, in relaxation, too, ⟨ψ|ψ⟩ is
    1 only in the mean: with a loss of γ_c (1 - e^(-t/T1)) in each such channel c, the variance is
    at most ∏_c 1/(1 - γ_c/2) - ⟨P⟩², and an estimate may lie outside of [-1, 1].

    It keeps 2^n amplitudes for every example and sample, one such state for every gate if gradients
    are wanted. Misreading of bits is exact. Gates outside the light cone are left out.

    Args:
        noise: the noise, or its table as ``Noise.from_dict`` reads it; None for none.
        samples: how many state vectors for every example.

    Returns:
        The device, a function that can be pickled; it needs a key.

    Raises:
        InputError: if the table of the noise is not right, or ``samples`` is no number from 1 on;
            when it is used, if the circuit has qubits that the noise does not know.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> circuit = arctan(qubits=1, hadamard=False).measure("Z0")
        >>> noisy = trajectories({"one_qubit": {"depolarising": 0.1}}, samples=10_000)
        >>> found = noisy(circuit, torch.zeros(1), torch.zeros(0), torch.tensor(7))
        >>> bool(abs(found - 0.9**2) < 0.02)
        True

    Source:
        Mølmer, Castin and Dalibard, Monte Carlo wave-function method in quantum optics, J. Opt.
        Soc. Am. B 10, 524 (1993); there with probabilities that depend on the state.
    """
    settings = as_noise(noise), whole("samples", samples, least=1)
    cost = Configured(_cost, settings)
    evaluate = Configured(_evaluate, settings)
    return Device(evaluate, random=True, forward=cost, gradient=cost, noise=settings[0])


def _evaluate(
    noise: Noise,
    samples: int,
    circuit: Circuit,
    x: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, " weights"],
    key: Int[Tensor, "*batch"],
) -> Float[Tensor, "*batch observables"]:
    """Return an estimate of tr(Pρ) for every example and observable P."""
    program = _compile(noise, circuit)
    samples = samples if program.n_draws else 1
    batch = x.shape[:-1]
    rows, keys = x.reshape(batch.numel(), x.shape[-1]), key.reshape(batch.numel())
    most = max(1, _AMPLITUDES // (samples << circuit.n_qubits))
    parts = zip(rows.split(most), keys.split(most), strict=True)
    values = torch.cat([_simulate(program, samples, part, w, own) for part, own in parts])
    return values.reshape(*batch, len(circuit.observables))


@dataclass(frozen=True, eq=False)
class _Mixture:
    """A channel as operators of which one is drawn.

    Args:
        operators: K_i/√q_i; (operators, m, m).
        bounds: q_0 + ... + q_i for all but the last i.
    """

    operators: Matrix
    bounds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Program:
    """A circuit with its noise.

    Args:
        noise: the noise.
        circuit: the gates that observables can notice.
        mixtures: the channels after each of them.
    """

    noise: Noise
    circuit: Circuit
    mixtures: tuple[tuple[_Mixture, ...], ...]

    @property
    def n_draws(self) -> int:
        """How many operators a sample draws."""
        return sum(len(mixtures) for mixtures in self.mixtures)


@lru_cache(maxsize=128)
def _compile(noise: Noise, circuit: Circuit) -> _Program:
    smaller = reachable(circuit)
    mixtures = (tuple(_mixture(kraus) for kraus in noise.kraus(op)) for op in smaller.ops)
    return _Program(noise, smaller, tuple(mixtures))


def _mixture(kraus: Matrix) -> _Mixture:
    weights = (abs(kraus) ** 2).sum((1, 2)) / kraus.shape[-1]
    possible = weights > 0
    operators = kraus[possible] / np.sqrt(weights[possible])[:, None, None]
    return _Mixture(operators, np.cumsum(weights[possible])[:-1])


def _simulate(
    program: _Program,
    samples: int,
    x: Float[Tensor, "rows inputs"],
    w: Float[Tensor, " weights"],
    key: Int[Tensor, " rows"],
) -> Float[Tensor, "rows observables"]:
    circuit, n = program.circuit, program.circuit.n_qubits
    draws = uniform(key, samples * program.n_draws).unflatten(-1, (samples, program.n_draws))
    state = torch.eye(1, 2**n, dtype=w.dtype.to_complex(), device=w.device).reshape((2,) * n)
    for wires, matrix in joined(_steps(program, x, w, draws)):
        state = apply(matrix, wires, state, n)
    means = [_expectation(p, program.noise, state, n) for p in circuit.observables]
    return torch.stack(means, dim=-1).expand(len(x), samples, -1).mean(-2)


def _steps(program: _Program, x: Tensor, w: Tensor, draws: Tensor) -> Iterator[Step]:
    """Yield the matrix of every gate and the operators drawn after it.

    Those have an axis for the samples, behind that of the examples; draws (rows, samples, all).
    """
    drawn = iter(draws.unbind(-1))
    tensor = partial(torch.tensor, device=w.device)
    matrices = unitaries(program.circuit, x, w)
    for op, matrix, mixtures in zip(program.circuit.ops, matrices, program.mixtures, strict=True):
        total = matrix if matrix.ndim == 2 else matrix.unsqueeze(-3)
        for mixture in mixtures:
            chosen = (next(drawn)[..., None] >= tensor(mixture.bounds)).sum(-1)
            total = tensor(mixture.operators, dtype=matrix.dtype)[chosen] @ total
        yield op.wires, total


def _expectation(observable: Pauli, noise: Noise, state: Tensor, n_qubits: int) -> Tensor:
    """Return the mean of what is read in every state."""
    changed = state
    for letter, wire in zip(observable.letters, observable.wires, strict=True):
        damping, offset = noise.readout.damping(noise.qubit(wire))
        matrix = torch.tensor(
            damping * PAULI[letter] + offset * I2, dtype=state.dtype, device=state.device
        )
        changed = apply(matrix, [wire], changed, n_qubits)
    return (state.conj() * changed).real.flatten(-n_qubits).sum(-1)


def _cost(noise: Noise, samples: int, circuit: Circuit, inputs: bool = True) -> Cost:
    return Cost(samples if _compile(noise, circuit).n_draws else 1)
