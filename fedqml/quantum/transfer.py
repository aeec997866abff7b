"""Gates and channels as real matrices on the mean values of Pauli words.

A state of k qubits is given by ⟨P⟩ for its 4^k Pauli words P, among them 1, ordered as I, X, Y, Z
with the first qubit the most significant. A channel is the matrix R with ⟨P_a⟩' = Σ_b R_ab ⟨P_b⟩.
"""

import itertools
from functools import cache, reduce

import numpy as np
from numpy.typing import NDArray

from fedqml.quantum.gates import I2, PAULI, Matrix, Rotation

Real = NDArray[np.float64]

LETTERS = "IXYZ"


def transfer_matrix(kraus: Matrix) -> Real:
    """Return the matrix of a channel, R_ab = Σ_i tr(P_a K_i P_b K_i†) / 2^k.

    Args:
        kraus: the operators K_i; (operators, m, m), m = 2^k.

    Returns:
        (m², m²).

    Example:
        >>> from fedqml.quantum.gates import GATES
        >>> transfer_matrix(GATES["s"].unitary[None]).round(12) + 0.0
        array([[ 1.,  0.,  0.,  0.],
               [ 0.,  0., -1.,  0.],
               [ 0.,  1.,  0.,  0.],
               [ 0.,  0.,  0.,  1.]])

    Source:
        Greenbaum, Introduction to quantum gate set tomography, arXiv:1509.02921, section 2
        (Pauli transfer matrices).
    """
    words = _words(kraus.shape[-1])
    moved = np.einsum("iuv,bvw,ixw->bux", kraus, words, kraus.conj(), optimize=True)
    return np.einsum("axu,bux->ab", words, moved, optimize=True).real / kraus.shape[-1]


@cache
def harmonics(gate: Rotation) -> tuple[Real, Real]:
    """Return the matrix of a gate with an angle, as a Fourier series in the angle.

    With U(θ) = Σ_j exp(-iθλ_j) Π_j and A_jk = tr(P_a Π_j P_b Π_k) / 2^k,
    R(θ) = Σ_jk exp(-iθ(λ_j - λ_k)) A_jk = C_0 + Σ_r cos(Ω_r θ) C_r + sin(Ω_r θ) S_r, where the Ω_r
    are the positive differences of eigenvalues.

    Args:
        gate: the gate.

    Returns:
        The R frequencies, (R,), and the parts C_0, C_1, ..., C_R, S_1, ..., S_R,
        (1 + 2R, m², m²).

    Example:
        >>> from fedqml.quantum import gates
        >>> frequencies, parts = harmonics(gates.rz)
        >>> frequencies, parts.shape
        (array([1.]), (3, 4, 4))
    """
    words = _words(len(gate.generator))
    table = np.einsum("auv,jvw,bwx,kxu->jkab", words, gate.projectors, words, gate.projectors)
    table /= len(gate.generator)
    differences = np.subtract.outer(gate.eigenvalues, gate.eigenvalues).round(12)
    frequencies = np.unique(differences[differences > 0])
    constant = table[differences == 0].sum(0).real
    # A_kj is the complex conjugate of A_jk
    sums = np.stack([2 * table[differences == frequency].sum(0) for frequency in frequencies])
    return frequencies, np.concatenate([constant[None], sums.real, sums.imag])


@cache
def _words(size: int) -> Matrix:
    """Return all Pauli words as matrices, (size², size, size)."""
    letters = [I2, *PAULI.values()]
    choices = itertools.product(letters, repeat=size.bit_length() - 1)
    return np.stack([reduce(np.kron, word) for word in choices])
