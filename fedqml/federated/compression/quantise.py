"""Fewer bits for each number."""

from dataclasses import replace

import torch

from fedqml.core.errors import require, whole
from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.coding import BYTES, coded
from fedqml.federated.draws import uniform


def quantise(bits: int = 8) -> Transform:
    """Return stochastic quantisation, right in the mean.

    ``q = floor(delta / s + u)``, u uniform in [0, 1), ``s = max |delta| / (2^(bits - 1) - 1)``, and
    ``s q`` is received. The history counts the bytes that are sent.

    Args:
        bits: for each number, from 2 to 16.

    Raises:
        InputError: if ``bits`` is out of range.

    Example:
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(1), torch.tensor([[127.0, 2.0]]), torch.ones(1), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 2), 0)
        >>> quantise(bits=8).apply(u, {}, context)[0].delta
        tensor([[127.,   2.]])

    Source: Alistarh et al., arXiv:1610.02132, section 3.1 (QSGD), with the largest entry in place
    of the norm.
    """
    whole("bits", bits, least=2)
    require(bits <= 16, "bits", bits, "be at most 16")
    most = 2 ** (bits - 1) - 1

    def apply(updates: Updates, context: Context) -> Updates:
        rows = updates.delta
        scale = rows.abs().amax(1, keepdim=True) / most
        scaled = torch.where(scale > 0, rows / scale, 0)
        q = (scaled + uniform(rows, updates.clients, context, "quantise")).floor()
        q = q.clamp(-most, most)  # which division may have left by a digit
        size = coded(q, bits) + rows.element_size()
        return replace(updates, delta=scale * q, metrics={**updates.metrics, BYTES: size})

    return stateless(apply)
