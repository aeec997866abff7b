"""A strategy tried on made-up updates before anything is trained."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError
from fedqml.core.packing import Packing
from fedqml.core.random import stream
from fedqml.core.resolve import placed
from fedqml.core.transform import Strategy
from fedqml.core.updates import Context, Updates
from fedqml.experiments.traffic import bytes_of, measured
from fedqml.federated.staleness import STALENESS
from fedqml.federated.training import Local, Received


def try_strategy(
    strategy: Strategy, context: Context, local: Local, packing: Packing, timed: bool
) -> float:
    """Apply both sides to made-up updates, so that what does not fit is said before training.

    Returns:
        The bytes that a client sends.
    """
    cohort, first = context.cohort, context.params[0]
    draws = stream(0, "trial").standard_normal(len(first), dtype=np.float32)
    row = torch.from_numpy(draws).mul_(1e-3).to(first.dtype)[None]
    ones = torch.ones_like(first[:1])
    try:
        with placed("strategy.server"):
            server = strategy.server.init(first)
            received = Received(first, strategy.server.sent(server), packing)
        with placed("local"):
            reports = {n: torch.ones_like(v)[None] for n, v in local.reported(received).items()}
        one = Updates(cohort[:1], row, ones, {"train_loss": ones, "steps": ones}, reports=reports)
        with placed("strategy.client"):
            state = {name: value[None] for name, value in strategy.client.init(first).items()}
            sent, _ = strategy.client.apply(one, state, context)
        metrics = {**one.metrics, STALENESS: 0 * ones} if timed else one.metrics
        with placed("strategy.server"):
            # One by one, as they come from an engine for large models: no stack but the rule's own.
            folding = strategy.server.begin(server, context)
            for client in range(len(cohort)):
                folding.add(replace(one, clients=cohort[client : client + 1], metrics=metrics))
            left, _ = folding.finish()
    except InputError:
        raise
    except Exception as error:  # the user's code: anything can come
        raise InputError(
            f"The strategy fails on made-up updates with {type(error).__name__}: {error}"
        ) from error
    same = measured(sent).keys() == one.metrics.keys() and sent.reports.keys() == reports.keys()
    if sent.delta.shape != row.shape or not same:
        raise InputError(
            "The client's side of the strategy must leave a client's row, metrics and reports in "
            f"place, but of shape {tuple(row.shape)} it leaves {tuple(sent.delta.shape)}, with the "
            f"metrics {sorted(sent.metrics)} and the reports {sorted(sent.reports)}."
        )
    require_one_row(left, first[None])
    return float(bytes_of(sent)[0])


def require_one_row(updates: Updates, params: Float[Tensor, "1 d"]) -> None:
    """Refuse what the server's side leaves, unless it is a step of the global weights.

    Raises:
        InputError: if it has not the shape, the type and the metrics of one.
    """
    given = (tuple(updates.delta.shape), updates.delta.dtype)
    wanted = (tuple(params.shape), params.dtype)
    if given != wanted or "train_loss" not in updates.metrics:
        raise InputError(
            "The server's side of the strategy must leave one row, as the aggregator `mean` does: "
            f"updates of shape and type {wanted} with the clients' metrics, but it leaves {given} "
            f"with the metrics {sorted(updates.metrics)}."
        )
