"""The task of a training step, as plain arrays that every library can read."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MEASURED = 2


@dataclass(frozen=True)
class CircuitProblem:
    """Values and gradients of the paper's circuit, for examples of clients with own weights.

    Attributes:
        qubits: how many.
        depth: blocks of the ansatz.
        clients: how many, each with weights of its own.
        batch: examples of a client.
    """

    qubits: int
    depth: int
    clients: int
    batch: int

    @property
    def rows(self) -> int:
        """Examples of all clients."""
        return self.clients * self.batch

    def part(self, rows: int) -> "CircuitProblem":
        """Return a problem of about so many examples at most: of one client, or of whole ones."""
        clients = max(1, min(self.clients, rows // self.batch))
        return replace(self, clients=clients, batch=min(self.batch, rows))

    @cached_property
    def x(self) -> NDArray[np.float64]:
        """Inputs, no unit; (clients, batch, qubits)."""
        return self._draw(0).standard_normal((self.clients, self.batch, self.qubits))

    @cached_property
    def w(self) -> NDArray[np.float64]:
        """Weights, radians; (clients, depth, qubits, 3)."""
        return self._draw(1).uniform(0, 2 * np.pi, (self.clients, self.depth, self.qubits, 3))

    @cached_property
    def cotangent(self) -> NDArray[np.float64]:
        """What the values' derivatives are multiplied by; (clients, batch, 2)."""
        return self._draw(2).standard_normal((self.clients, self.batch, MEASURED))

    @cached_property
    def entanglers(self) -> list[tuple[int, int]]:
        """Control and target of the CNOTs of a block, a ring."""
        return [(qubit, (qubit + 1) % self.qubits) for qubit in range(self.qubits)]

    def _draw(self, what: int) -> np.random.Generator:
        return np.random.default_rng(what)


Arrays = tuple[NDArray[np.float64], ...]
"""What a step returns: values and gradients by inputs and weights, shaped as the cotangent,
inputs and weights of the problem."""
