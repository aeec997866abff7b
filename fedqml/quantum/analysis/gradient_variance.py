"""How large the gradient of a circuit is at random weights: whether training has a slope to go."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.analysis.sampling import slopes
from fedqml.quantum.circuit import Circuit


@dataclass(frozen=True, eq=False)
class GradientVariance:
    """The variance of ∂⟨P⟩/∂w over random weights and inputs.

    Args:
        variance: for every observable P and weight w; (observables, weights), 1/radian².
        error: the standard error of each.
        samples: how many points.
    """

    variance: Float[Tensor, "observables weights"]
    error: Float[Tensor, "observables weights"]
    samples: int


def gradient_variance(circuit: Circuit, samples: int = 1000, seed: int = 0) -> GradientVariance:
    """Return Var ∂⟨P⟩/∂w, weights uniform on [0, 2π) and inputs normal.

    The sample's mean is subtracted; for most weights it is 0 anyway, as ⟨P⟩ is periodic. Where
    the variance falls exponentially with the number of qubits (a "barren plateau"), the shots
    that it takes to see a slope grow exponentially.

    Args:
        circuit: measures at least one observable and reads at least one weight.
        samples: how many points, at least 2.
        seed: equal seeds give equal numbers.

    Returns:
        Variances with standard errors.

    Raises:
        InputError: if there are fewer than two samples, or no observable or weight.

    Example:
        >>> from fedqml.quantum.angle import Angle
        >>> from fedqml.quantum.operation import Op
        >>> turn = Circuit(1, (Op("rx", (0,), Angle.weight(0)),)).measure("Z0")
        >>> found = gradient_variance(turn, samples=10000)  # ⟨Z⟩ = cos w: exactly 1/2
        >>> bool(abs(found.variance - 0.5) < 3 * found.error)
        True

    Source:
        McClean, Boixo, Smelyanskiy, Babbush and Neven, Barren plateaus in quantum neural network
        training landscapes, arXiv:1803.11173, figure 3.
    """
    require(samples >= 2, "samples", samples, "be at least 2")
    found = slopes(circuit, samples, seed)
    squares = (found - found.mean(0)).square()
    variance = squares.sum(0) / (samples - 1)
    return GradientVariance(variance, squares.std(0) / samples**0.5, samples)
