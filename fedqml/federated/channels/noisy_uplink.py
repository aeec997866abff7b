"""Noise that a channel adds to updates."""

from dataclasses import replace

from fedqml.core.transform import Transform, stateless
from fedqml.core.updates import Context, Updates
from fedqml.federated.draws import normal


def noisy_uplink(snr: float) -> Transform:
    """Return the channel that adds white Gaussian noise to what each client sends.

    ``delta_i <- delta_i + sigma_i N(0, 1)``, ``sigma_i^2 = ||delta_i||^2 / (d 10^(snr / 10))``.

    Args:
        snr: ratio of the signal's to the noise's power, in decibels.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(1), torch.ones(1, 4), torch.ones(1), {})
        >>> context = Context(1, u.clients, torch.zeros(1, 4), 0)
        >>> noisy_uplink(snr=200.0).apply(u, {}, context)[0].delta
        tensor([[1., 1., 1., 1.]])

    Source: Amiri and Gündüz, arXiv:1901.00844 (Gaussian channel).
    """

    def apply(updates: Updates, context: Context) -> Updates:
        rows = updates.delta
        power = rows.norm(dim=1, keepdim=True) / rows.shape[1] ** 0.5
        noise = normal(rows, updates.clients, context, "uplink")
        return replace(updates, delta=rows + power * 10 ** (-snr / 20) * noise)

    return stateless(apply)
