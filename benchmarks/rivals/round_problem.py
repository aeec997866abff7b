"""The task of a federated round, as plain arrays that every library can read."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FEATURES = 4
QUBITS = 4
DEPTH = 2


@dataclass(frozen=True)
class RoundProblem:
    """Every client trains Linear(4, 4) and the circuit for an epoch; then weights are averaged.

    Attributes:
        clients: how many.
        examples: of each.
        batch: examples a step of plain gradient descent; the last one has what is left.
        lr: the learning rate.
    """

    clients: int
    examples: int = 230
    batch: int = 32
    lr: float = 0.1
    qubits: int = QUBITS
    depth: int = DEPTH

    @property
    def rows(self) -> int:
        """Examples of all clients."""
        return self.clients * self.examples

    def part(self, rows: int) -> "RoundProblem":
        """Return the whole round: it cannot be cut."""
        return self

    @cached_property
    def x(self) -> NDArray[np.float32]:
        """Features; (clients, examples, 4)."""
        size = self.clients, self.examples, FEATURES
        return np.random.default_rng(0).standard_normal(size, dtype=np.float32)

    @cached_property
    def y(self) -> NDArray[np.int64]:
        """Classes; (clients, examples)."""
        return (self.x.sum(-1) > 0).astype(np.int64)

    @cached_property
    def weights(self) -> tuple[NDArray[np.float32], ...]:
        """Matrix (4, 4) and bias (4,) of the linear layer, and the circuit's angles (2, 4, 3)."""
        rng = np.random.default_rng(1)
        matrix = rng.standard_normal((QUBITS, FEATURES), dtype=np.float32) / 2
        angles = 2 * np.pi * rng.random((DEPTH, QUBITS, 3), dtype=np.float32)
        return matrix, np.zeros(QUBITS, dtype=np.float32), angles.astype(np.float32)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """How fedqml shuffles each client's examples in this round; (clients, examples)."""
        import torch

        from fedqml.core.batches import batch_plans
        from fedqml.core.updates import Context

        context = Context(1, torch.arange(self.clients), torch.zeros(1, 1), seed=0)
        rows = [torch.arange(self.examples)] * self.clients
        rngs = (context.rng("batches", client) for client in range(self.clients))
        plan = batch_plans(rows, self.batch, 1, rngs)
        return np.stack([own[mask].numpy() for own, mask in zip(plan.rows, plan.mask, strict=True)])


Weights = tuple[NDArray[np.float32], ...]
"""What a round returns: the averaged weights, shaped as those of the problem."""
