"""Circuits evaluated without any code of the devices: 2^n x 2^n matrices, entry by entry."""

import math

import torch
from torch import Tensor

from fedqml.quantum import Circuit
from fedqml.quantum.gates import PAULI, Rotation

FUNCTIONS = {
    "identity": lambda v: v,
    "arctan": torch.atan,
    "arctan_square": lambda v: torch.atan(v * v),
    "product": lambda *values: math.prod(values),
    "complement_product": lambda *values: math.prod(math.pi - value for value in values),
    "block_angle": lambda *values: _block_angle(torch.stack(values)),
}


def _block_angle(values: Tensor) -> Tensor:
    """The halves of what is padded with zeros to a power of two."""
    half = 1
    while 2 * half < len(values):
        half *= 2
    first, second = values[:half], values[half:]
    lengths = [part[0] if len(part) == 1 else torch.linalg.norm(part) for part in (first, second)]
    return 2 * torch.atan2(lengths[1], lengths[0])


def angle_value(angle, x: Tensor, w: Tensor) -> Tensor:
    """θ of one example in float64; x (inputs,), w (weights,)."""
    total = torch.tensor(angle.offset, dtype=torch.float64)
    for term in angle.terms:
        values = [x[i] for i in term.inputs] + [w[j] for j in term.weights]
        total = total + FUNCTIONS[term.map](*values) * term.scale
    return total


def embed(matrix: Tensor, wires: tuple[int, ...], n: int) -> Tensor:
    """Entry by entry: <r|U|c> is that of the gate if r and c agree on all other qubits."""
    full = torch.zeros(2**n, 2**n, dtype=matrix.dtype)
    rows, columns, places = [], [], []
    for r in range(2**n):
        for c in range(2**n):
            bits = [[number >> (n - 1 - q) & 1 for q in range(n)] for number in (r, c)]
            if all(bits[0][q] == bits[1][q] for q in range(n) if q not in wires):
                rows.append(r)
                columns.append(c)
                places.append([int("".join(str(b[q]) for q in wires), 2) for b in bits])
    left, right = zip(*places, strict=True)
    return full.index_put(
        (torch.tensor(rows), torch.tensor(columns)), matrix[list(left), list(right)]
    )


def unitary(circuit: Circuit, x: Tensor, w: Tensor) -> Tensor:
    """The matrix of the whole circuit; gates with an angle by the eigenvectors of G."""
    total = torch.eye(2**circuit.n_qubits, dtype=torch.complex128)
    for op in circuit.ops:
        if isinstance(op.definition, Rotation):
            # (torch's matrix_exp is only good to 1e-11 on some of these)
            generator = torch.from_numpy(op.definition.generator).to(torch.complex128)
            eigenvalues, vectors = torch.linalg.eigh(generator)
            phases = torch.exp(-1j * angle_value(op.angle, x, w) * eigenvalues)
            matrix = vectors @ torch.diag(phases) @ vectors.mH
        else:
            matrix = torch.from_numpy(op.definition.unitary).to(torch.complex128)
        total = embed(matrix, op.wires, circuit.n_qubits) @ total
    return total


def evaluate(circuit: Circuit, x: Tensor, w: Tensor) -> Tensor:
    """Expectation values of one example; x (inputs,), w (weights,)."""
    state = unitary(circuit, x, w)[:, 0]
    values = []
    for word in circuit.observables:
        letters = dict(zip(word.wires, word.letters, strict=True))
        matrix = torch.eye(1, dtype=torch.complex128)
        for qubit in range(circuit.n_qubits):
            factor = PAULI[letters[qubit]] if qubit in letters else [[1, 0], [0, 1]]
            matrix = torch.kron(matrix, torch.as_tensor(factor, dtype=torch.complex128))
        values.append((state.conj() @ matrix @ state).real)
    return torch.stack(values)
