"""Expectation values from a finite number of shots, as on hardware."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.errors import require, whole
from fedqml.core.hashing import fold
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Configured, Cost, Device
from fedqml.quantum.devices.parameter_shift import parameter_shift
from fedqml.quantum.devices.statevector import or_statevector
from fedqml.quantum.outcomes import draw_counts, probabilities, transform
from fedqml.quantum.pauli import Pauli, measurement_settings
from fedqml.quantum.plugins import InnerDevice

# A setting of k words has 2^k outcomes, whose probabilities are all computed.
_WORDS = 10


def sampled(device: InnerDevice = None, shots: int = 1000) -> Device:
    """Return a device whose values are means of outcomes ±1 of a number of shots.

    Observables without different letters on a qubit are measured together, in the same shots, so
    they are correlated as on hardware; at most ten together, then in a further setting with shots
    of its own. From the expectation values of all products of a setting's words follows the joint
    distribution of their outcomes s, p(s) = 2^-k Σ_S (∏_{j∈S} s_j) ⟨∏_{j∈S} P_j⟩, of which the
    example's key draws the shots. Gradients are those of ``parameter_shift``, with as many shots
    for every shifted circuit.

    Args:
        device: computes exact values, also of a noisy circuit; None for ``statevector``.
        shots: how often a setting is measured, at least 1.

    Returns:
        The device, a function that can be pickled.

    Raises:
        InputError: if ``shots`` is not a number from 1 on, or the inner device draws random
            numbers itself.

    Example:
        >>> from fedqml.quantum import Op
        >>> bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1)))).measure("Z0", "Z1", "Z0 Z1")
        >>> none = torch.zeros(0)
        >>> values = sampled(shots=100)(bell, none, none, torch.tensor(1))
        >>> bool(values[0] == values[1]), float(values[2])
        (True, 1.0)
    """
    inner = or_statevector(device)
    shots = whole("shots", shots, least=1)
    require(not inner.random, "device.random", inner.random, "be False: shots are drawn here")
    measure, cost = Configured(_measure, (inner, shots)), Configured(_cost, (shots,))
    return parameter_shift(Device(measure, random=True, forward=cost, noise=inner.noise))


def _cost(shots: int, circuit: Circuit) -> Cost:
    settings = len(_plan(circuit).settings)
    return Cost(settings, settings * shots)


@dataclass(frozen=True)
class _Setting:
    """Words that are measured together.

    Args:
        places: theirs among the circuit's observables.
        products: for each of their 2^k subsets, the place of its product among what the exact
            device is asked for, plus 1; 0 for the identity. The first word is the highest bit.
    """

    places: tuple[int, ...]
    products: tuple[int, ...]


@dataclass(frozen=True)
class _Plan:
    """How a circuit is measured: what the exact device is asked for, and the settings."""

    circuit: Circuit
    settings: tuple[_Setting, ...]


@lru_cache(maxsize=128)
def _plan(circuit: Circuit) -> _Plan:
    places: dict[Pauli, int] = {}
    settings = []
    for group in measurement_settings(circuit.observables, _WORDS):
        letters = [
            dict(zip(word.wires, word.letters, strict=True))
            for word in (circuit.observables[place] for place in group)
        ]
        subsets: list[dict[int, str]] = [{}]
        for word in letters:
            # a letter times itself is the identity
            subsets = [
                {wire: (product | factor)[wire] for wire in sorted(product.keys() ^ factor.keys())}
                for product in subsets
                for factor in ({}, word)
            ]
        products = (Pauli(tuple(s), "".join(s.values())) if s else None for s in subsets)
        numbers = tuple(
            0 if word is None else places.setdefault(word, len(places) + 1) for word in products
        )
        settings.append(_Setting(group, numbers))
    return _Plan(circuit.measure(*places), tuple(settings))


def _measure(
    device: Device,
    shots: int,
    circuit: Circuit,
    x: Float[Tensor, "rows inputs"],
    w: Float[Tensor, " weights"],
    key: Int[Tensor, " rows"],
) -> Float[Tensor, "rows observables"]:
    """Return means of outcomes; without gradients."""
    plan = _plan(circuit)
    # in single precision, impossible outcomes would get a probability of 1e-7
    exact = device(plan.circuit, x.double(), w.double())
    exact = torch.cat([torch.ones_like(exact[:, :1]), exact], -1)
    means = x.new_empty(len(x), len(circuit.observables))
    for number, setting in enumerate(plan.settings):
        moments = exact[:, torch.tensor(setting.products, device=x.device)]
        keys = fold(key, torch.tensor(number, device=x.device))
        counts = draw_counts(probabilities(moments), keys, shots)
        # the subsets of a single word, the first one being the highest bit
        words = [1 << k for k in reversed(range(len(setting.places)))]
        means[:, list(setting.places)] = (transform(counts)[:, words] / shots).to(x.dtype)
    return means
