"""The gates: each is one small function, and its entry in ``GATES`` is made from that alone.

A gate with an angle is given by its generator G only; its matrix exp(-iθG) and its parameter-shift
rule are both derived from G, so they cannot disagree. Qubit 0 is the most significant bit of a
basis state, and signs are those of PennyLane.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from numpy.typing import NDArray
from torch import Tensor

Matrix = NDArray[np.complexfloating[Any, Any]]

CONTROL, NOT, CROSS = "●", "⊕", "×"


@dataclass(frozen=True, eq=False)
class Rotation:
    """A gate with an angle, U(θ) = exp(-iθG).

    Args:
        name: the gate's name in an ``Op``.
        symbols: what drawings show on each of its wires.
        generator: the Hermitian G; (m, m), m = 2 ** wires.
        eigenvalues: the different eigenvalues λ_j of G, ascending; (j,).
        projectors: the projectors Π_j on their eigenspaces; (j, m, m).
    """

    name: str
    symbols: tuple[str, ...]
    generator: Matrix
    eigenvalues: NDArray[np.float64]
    projectors: Matrix

    def matrix(self, angle: Float[Tensor, "*batch"]) -> Complex[Tensor, "*batch m m"]:
        """Return the matrix, U(θ) = Σ_j exp(-iθλ_j) Π_j.

        Args:
            angle: θ in radians; (*batch,).

        Returns:
            (*batch, m, m), complex64 for float32 and complex128 for float64 angles.

        Example:
            >>> rz.matrix(torch.tensor(torch.pi)).diagonal().imag.round(decimals=4)
            tensor([-1.,  1.])
        """
        device = angle.device
        phase = angle[..., None] * torch.tensor(self.eigenvalues, dtype=angle.dtype, device=device)
        # cos and sin rather than torch.polar, whose gradient is wrong for a negative magnitude
        factors = torch.complex(phase.cos(), -phase.sin())
        projectors = torch.tensor(self.projectors, dtype=factors.dtype, device=device)
        return (factors @ projectors.flatten(1)).unflatten(-1, projectors.shape[1:])


@dataclass(frozen=True, eq=False)
class Fixed:
    """A gate without an angle.

    Args:
        name: the gate's name in an ``Op``.
        symbols: what drawings show on each of its wires.
        unitary: its matrix; (m, m), m = 2 ** wires.
        inverse: the name of the gate that undoes it.
    """

    name: str
    symbols: tuple[str, ...]
    unitary: Matrix
    inverse: str

    def matrix(self, dtype: torch.dtype, device: torch.device) -> Complex[Tensor, "m m"]:
        """Return the matrix as a tensor.

        Args:
            dtype: of the real numbers around it: float32 gives complex64, float64 complex128.
            device: where it should lie.

        Returns:
            (m, m).

        Example:
            >>> z.matrix(torch.float32, torch.device("cpu")).real
            tensor([[ 1.,  0.],
                    [ 0., -1.]])
        """
        return torch.tensor(self.unitary, dtype=dtype.to_complex(), device=device)


Gate = Rotation | Fixed

GATES: dict[str, Gate] = {}


def rotation(*symbols: str) -> Callable[[Callable[[], Matrix]], Rotation]:
    """Make a gate with an angle of a function that returns its generator.

    The projectors are Sylvester's, Π_j = ∏_{k≠j} (G - λ_k) / (λ_j - λ_k): exact where the
    eigenvalues are multiples of 1/2, which eigenvectors from a solver are not.

    Args:
        symbols: what drawings show on each of its wires.

    Returns:
        The decorator; it enters the gate in ``GATES`` under the function's name.

    Example:
        >>> rx.eigenvalues
        array([-0.5,  0.5])
    """

    def build(generator: Callable[[], Matrix]) -> Rotation:
        hermitian = generator()
        one = np.eye(len(hermitian), dtype=complex)
        # a solver splits equal eigenvalues by rounding errors; these 12 digits join them again
        eigenvalues = np.unique(np.linalg.eigvalsh(hermitian).round(12) + 0.0)
        projectors = []
        for eigenvalue in eigenvalues:
            projector = one
            for other in eigenvalues[eigenvalues != eigenvalue]:
                projector = projector @ (hermitian - other * one) / (eigenvalue - other)
            projectors.append(projector)
        name = generator.__name__
        gate = Rotation(name, symbols, hermitian, eigenvalues, np.stack(projectors))
        GATES[name] = gate
        return gate

    return build


def fixed(*symbols: str, inverse: str | None = None) -> Callable[[Callable[[], Matrix]], Fixed]:
    """Make a gate without an angle of a function that returns its matrix.

    Args:
        symbols: what drawings show on each of its wires.
        inverse: the name of the gate that undoes it; None if it undoes itself.

    Returns:
        The decorator; it enters the gate in ``GATES`` under the function's name.

    Example:
        >>> GATES["s"].inverse
        'sdg'
    """

    def build(unitary: Callable[[], Matrix]) -> Fixed:
        name = unitary.__name__
        gate = Fixed(name, symbols, unitary(), inverse or name)
        GATES[name] = gate
        return gate

    return build


I2: Matrix = np.eye(2, dtype=complex)
X: Matrix = np.array([[0, 1], [1, 0]], dtype=complex)
Y: Matrix = np.array([[0, -1j], [1j, 0]])
Z: Matrix = np.diag([1, -1]).astype(complex)
PAULI = {"X": X, "Y": Y, "Z": Z}
P0: Matrix = np.diag([1, 0]).astype(complex)
P1: Matrix = np.diag([0, 1]).astype(complex)


@rotation("RX")
def rx() -> Matrix:
    """Return G = X/2: a turn of the Bloch vector about x."""
    return X / 2


@rotation("RY")
def ry() -> Matrix:
    """Return G = Y/2: a turn of the Bloch vector about y."""
    return Y / 2


@rotation("RZ")
def rz() -> Matrix:
    """Return G = Z/2: a turn of the Bloch vector about z."""
    return Z / 2


@rotation("P")
def phase() -> Matrix:
    """Return G = -|1><1|: the phase exp(iθ) on the state 1."""
    return -P1


@rotation("RXX", "RXX")
def rxx() -> Matrix:
    """Return G = XX/2."""
    return np.kron(X, X) / 2


@rotation("RYY", "RYY")
def ryy() -> Matrix:
    """Return G = YY/2."""
    return np.kron(Y, Y) / 2


@rotation("RZZ", "RZZ")
def rzz() -> Matrix:
    """Return G = ZZ/2."""
    return np.kron(Z, Z) / 2


@rotation(CONTROL, "RX")
def crx() -> Matrix:
    """Return G = |1><1| X/2: a turn about x if the first wire is 1."""
    return np.kron(P1, X) / 2


@rotation(CONTROL, "RY")
def cry() -> Matrix:
    """Return G = |1><1| Y/2: a turn about y if the first wire is 1."""
    return np.kron(P1, Y) / 2


@rotation(CONTROL, "RZ")
def crz() -> Matrix:
    """Return G = |1><1| Z/2: a turn about z if the first wire is 1."""
    return np.kron(P1, Z) / 2


@fixed("H")
def h() -> Matrix:
    """Return (X + Z)/√2, Hadamard's gate."""
    return (X + Z) / np.sqrt(2)


@fixed("X")
def x() -> Matrix:
    """Return Pauli's X, the quantum NOT."""
    return X


@fixed("Y")
def y() -> Matrix:
    """Return Pauli's Y."""
    return Y


@fixed("Z")
def z() -> Matrix:
    """Return Pauli's Z."""
    return Z


@fixed("S", inverse="sdg")
def s() -> Matrix:
    """Return √Z = diag(1, i)."""
    return np.diag([1, 1j])


@fixed("S†", inverse="s")
def sdg() -> Matrix:
    """Return the inverse of S, diag(1, -i)."""
    return np.diag([1, -1j])


@fixed("T", inverse="tdg")
def t() -> Matrix:
    """Return √S = diag(1, exp(iπ/4))."""
    return np.diag([1, np.exp(1j * np.pi / 4)])


@fixed("T†", inverse="t")
def tdg() -> Matrix:
    """Return the inverse of T, diag(1, exp(-iπ/4))."""
    return np.diag([1, np.exp(-1j * np.pi / 4)])


@fixed("√X", inverse="sxdg")
def sx() -> Matrix:
    """Return √X = ((1 + i) + (1 - i) X)/2."""
    return (0.5 + 0.5j) * I2 + (0.5 - 0.5j) * X


@fixed("√X†", inverse="sx")
def sxdg() -> Matrix:
    """Return the inverse of √X, ((1 - i) + (1 + i) X)/2."""
    return (0.5 - 0.5j) * I2 + (0.5 + 0.5j) * X


@fixed(CONTROL, NOT)
def cx() -> Matrix:
    """Return the controlled NOT: X on the second wire if the first is 1."""
    return np.kron(P0, I2) + np.kron(P1, X)


@fixed(CONTROL, "Y")
def cy() -> Matrix:
    """Return the controlled Y."""
    return np.kron(P0, I2) + np.kron(P1, Y)


@fixed(CONTROL, CONTROL)
def cz() -> Matrix:
    """Return the controlled Z, the same from both wires."""
    return np.kron(P0, I2) + np.kron(P1, Z)


@fixed(CROSS, CROSS)
def swap() -> Matrix:
    """Return the exchange of the two wires, (1 + XX + YY + ZZ)/2."""
    return (np.eye(4) + np.kron(X, X) + np.kron(Y, Y) + np.kron(Z, Z)) / 2
