"""The mean of the updates that point the way of a trusted one."""

from dataclasses import replace

import torch

from fedqml.core.errors import InputError, require, whole
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregation import collected, sound
from fedqml.federated.columns import combine, gram


def fltrust(root: int) -> Transform:
    """Return the others' updates, as long as the trusted one, weighted by their agreement with it.

    ``sum_i s_i delta_i ||delta_0|| / ||delta_i|| / sum_i s_i``, ``s_i = max(0, cos(delta_i,
    delta_0))``. The server trains on data of its own like a client: it is the client ``root``,
    which has to take part in every round. Where no update agrees with its own, the step is 0.
    Breakdown point: all but the root may send anything, and the step is never longer than its own.

    Args:
        root: the client that is the server.

    Raises:
        InputError: if ``root`` is negative; where not all clients are drawn for each round, or in
            a round without the root.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> rows = torch.tensor([[1.0, 0.0], [9e9, 0.0], [-1.0, 0.0]])
        >>> u = Updates(torch.arange(3), rows, torch.ones(3), {})
        >>> fltrust(root=0).apply(u, {}, Context(1, u.clients, rows[:1], 0))[0].delta
        tensor([[1., 0.]])

    Source: Cao et al., arXiv:2012.13995, algorithm 2.
    """
    whole("root", root, least=0)

    def apply(updates: Updates, context: Context) -> Updates:
        k, n = len(context.cohort), context.population
        allowed = f"be the number of clients, {n}, so that fltrust has its root in each round"
        require(k >= n, "clients_per_round", k, allowed)
        kept = collected(updates, context)
        found = (kept.clients == root).nonzero()
        if not len(found):
            raise InputError(
                f"In round {context.round} fltrust has no update of its root, client {root}: it "
                "must take part in each round, and its training must not diverge."
            )
        own = int(found)
        products = gram(kept.delta)
        norms = products.diagonal().sqrt()
        # A row of zeros agrees with nothing.
        scale = torch.where(norms > 0, 1 / norms, 0)
        trust = (products[own] * scale * scale[own]).clamp(min=0)
        trust[own] = 0
        total = trust.sum()
        share = trust * scale * norms[own] / total if total > 0 else trust
        return replace(kept, delta=combine(share[None], kept.delta))

    return stateless(apply, admit=sound)
