"""Small federations that several tests train."""

import torch
from torch import nn

from fedqml.core.transform import Strategy
from fedqml.core.updates import Context, State, Updates, concatenate
from fedqml.data.dataset import Data
from fedqml.data.losses import cross_entropy
from fedqml.data.partitions import iid
from fedqml.data.task import Task
from fedqml.federated.aggregators import mean
from fedqml.quantum.ansatze import rot_cnot
from fedqml.quantum.device import Device
from fedqml.quantum.encodings import arctan
from fedqml.quantum.layer import QuantumLayer


def hybrid(device: Device | None = None) -> nn.Module:
    """Return a dense layer before a two-qubit circuit."""
    circuit = QuantumLayer(arctan(2), rot_cnot(2, depth=1), measure=2, device=device)
    return nn.Sequential(nn.Linear(3, 2), circuit)


def with_dropout() -> nn.Module:
    """Return a classical model with two dropout layers."""
    return nn.Sequential(
        nn.Linear(3, 8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, 8),
        nn.Dropout(0.5),
        nn.Linear(8, 2),
    )


def data(rows: int = 40, clients: int = 6, partition=None, seed: int = 0):
    """Return a federation of a linearly separable problem."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows + 20, 3, generator=generator, dtype=torch.float64)
    y = (x.sum(1) > 0).long()
    pooled = Data(x[:rows], y[:rows], test=(x[rows:], y[rows:]))
    return pooled.split(partition or iid(clients), seed)


def task(model=hybrid, dtype=torch.float64, **kwargs) -> Task:
    """Return a task in double precision on ``data(**kwargs)``."""
    return Task(model, cross_entropy, data(**kwargs), dtype=dtype)


def one_round(
    train, context: Context, state: State, clients: list[int] | None = None
) -> tuple[Updates, State]:
    """Return the updates of a round's clients that an engine trains, and the clients' states."""
    parts: list[Updates] = []
    clients = context.cohort.tolist() if clients is None else clients
    after = train(context, clients, state, lambda part: parts.append(part.owned()))
    return concatenate(parts), after


AVERAGING = Strategy(server=mean())
