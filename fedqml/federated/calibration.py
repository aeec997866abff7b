"""How good a client's hardware is, as the server knows it."""

import math
from dataclasses import dataclass

from fedqml.core.errors import require


@dataclass(frozen=True)
class Calibration:
    """What noise and a finite number of shots do to a client's gradients.

    Args:
        attenuation: which part of a gradient is left in the mean, from 0 to 1.
        shots: how often each circuit is run; infinity where values are exact.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> Calibration(attenuation=0.9, shots=1000.0)
        Calibration(attenuation=0.9, shots=1000.0)
    """

    attenuation: float = 1.0
    shots: float = math.inf

    def __post_init__(self) -> None:
        """Refuse what no hardware has."""
        require(0 <= self.attenuation <= 1, "attenuation", self.attenuation, "be from 0 to 1")
        require(self.shots >= 1, "shots", self.shots, "be at least 1")
