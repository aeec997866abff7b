"""What crosses the wire, and what a rule may know when it handles it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fedqml.core.random import stream, streams

State = dict[str, Tensor]
"""Whatever a rule remembers between rounds: named tensors, so that all of it can be saved."""


def _nobody() -> Tensor:
    return torch.zeros(0, dtype=torch.int64)


@dataclass(frozen=True)
class Updates:
    """The updates of a cohort: row i is what client ``clients[i]`` sends.

    Attributes:
        clients: the clients' numbers, in rising order as engines deliver them.
        delta: trained minus received weights, a row for each client; an aggregator leaves
            one row, a gossip step one for each client of the federation.
        weight: what the clients' rows count for, by default their numbers of examples.
        metrics: a value for each client: ``train_loss``, and ``steps``, the optimiser steps taken.
        refused: the clients whose rows were left out.
        notes: what the engine has to say of the round, for the history: it is read as the updates
            come from the engine, and rules need not pass it on.
        reports: what else the local rule has its clients say, by name, for the aggregator alone.
        mixed: whether rows are made of several clients', so that no row is its client's own.
    """

    clients: Int[Tensor, " k"]
    delta: Float[Tensor, "rows d"]
    weight: Float[Tensor, " k"]
    metrics: Mapping[str, Float[Tensor, " k"]]
    refused: Int[Tensor, " r"] = field(default_factory=_nobody)
    notes: Mapping[str, Any] = field(default_factory=dict)
    reports: Mapping[str, Float[Tensor, "k ..."]] = field(default_factory=dict)
    mixed: bool = False

    def keep(self, rows: Bool[Tensor, " k"]) -> "Updates":
        """Return the updates of the chosen rows; the clients of the others count as refused.

        Example:
            >>> u = Updates(torch.tensor([3, 7]), torch.eye(2), torch.ones(2), {})
            >>> u.keep(torch.tensor([True, False])).refused
            tensor([7])
        """
        return Updates(
            self.clients[rows],
            self.delta[rows],
            self.weight[rows],
            {name: values[rows] for name, values in self.metrics.items()},
            torch.cat([self.refused, self.clients[~rows]]),
            reports={name: values[rows] for name, values in self.reports.items()},
            mixed=self.mixed,
        )

    def owned(self) -> "Updates":
        """Return the same with rows of its own, which nobody else writes to."""
        return replace(self, delta=self.delta.clone())

    def without_rows(self) -> "Updates":
        """Return what is known of the clients, without the memory of what they sent."""
        # Not a view, which would keep the rows.
        return replace(self, delta=self.delta.new_empty(len(self.delta), 0), reports={})

    def sorted(self) -> "Updates":
        """Return the rows in rising order of client.

        Sums of floating-point numbers depend on their order; that of arrival must not matter.
        """
        if bool((self.clients[1:] > self.clients[:-1]).all()):
            return self  # as engines deliver them; a copy of large updates would cost
        order = torch.argsort(self.clients)
        return Updates(
            self.clients[order],
            self.delta[order],
            self.weight[order],
            {name: values[order] for name, values in self.metrics.items()},
            self.refused,
            reports={name: values[order] for name, values in self.reports.items()},
            mixed=self.mixed,
        )


def concatenate(parts: list[Updates]) -> Updates:
    """Return the rows of all parts, part after part."""
    if len(parts) == 1:
        return parts[0]  # a copy of large updates would cost
    return Updates(
        torch.cat([p.clients for p in parts]),
        torch.cat([p.delta for p in parts]),
        torch.cat([p.weight for p in parts]),
        {name: torch.cat([p.metrics[name] for p in parts]) for name in parts[0].metrics},
        torch.cat([p.refused for p in parts]),
        reports={name: torch.cat([p.reports[name] for p in parts]) for name in parts[0].reports},
        mixed=parts[0].mixed,
    )


@dataclass(frozen=True)
class Context:
    """What a rule may know of the round it works in.

    Attributes:
        round: the round's number, from 1.
        cohort: the clients drawn for this round, in rising order.
        params: the weights before the round: one row, or one a client where models differ.
        seed: the run's seed; rules draw from ``rng`` instead of using it.
        scope: the rule's place in the strategy, so that two rules of one name draw apart.
        sent: what the server's rules send the clients beside the weights.
        population: how many clients the federation has, drawn or not; 0 where nobody said.
        left_out: for clients whose circuits are smaller than the model's, which entries of the
            weights have no influence there.
        begun: by client, the weights that it began to train from where these are older than
            ``params``; clients that share a version share its memory.
    """

    round: int
    cohort: Int[Tensor, " k"]
    params: Float[Tensor, "m d"]
    seed: int
    scope: str = ""
    sent: Mapping[str, Tensor] = field(default_factory=dict)
    population: int = 0
    left_out: Mapping[int, Int[Tensor, " n"]] = field(default_factory=dict)
    begun: Mapping[int, Float[Tensor, " d"]] = field(default_factory=dict)

    def received(self, clients: Sequence[int]) -> Float[Tensor, "k d"]:
        """Return the weights that clients begin with, a row each; equal rows may share memory.

        Example:
            >>> now, old = torch.ones(1, 2), torch.zeros(2)
            >>> Context(3, torch.tensor([4, 7]), now, 0, begun={7: old}).received([4, 7])
            tensor([[1., 1.],
                    [0., 0.]])
        """
        if self.begun:
            return torch.stack([self.begun.get(client, self.params[0]) for client in clients])
        if len(self.params) == 1:
            return self.params.expand(len(clients), -1)
        return self.params[list(clients)]

    def rng(self, name: str, client: int = -1) -> np.random.Generator:
        """Return this round's random stream for a purpose, or for a client's own.

        Args:
            name: the purpose, unique within the rule.
            client: the client whose stream it is; the server's if left out. A rule on the
                client's side must name it, or all clients draw the same.
        """
        return stream(self.seed, self.scope + name, self.round, client)

    def rngs(self, name: str, clients: Iterable[int]) -> Iterator[np.random.Generator]:
        """Yield the ``rng`` of each client, of which only the latest may be drawn from.

        Args:
            name: the purpose, unique within the rule.
            clients: whose streams.
        """
        return streams(self.seed, self.scope + name, self.round, last=clients)
