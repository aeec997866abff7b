"""Which weights can never change what is measured."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from fedqml.quantum.analysis.sampling import slopes
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.lightcone import influential

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class DeadParameters:
    """The weights that have no influence on any observable.

    Args:
        proved: those that stand only in gates without influence, whatever the inputs and weights.
        silent: those whose slopes are 0 up to rounding at every point tried: all of the proved
            ones, and any whose influence cancels for a reason that gates on their own do not show.
        largest: the largest |∂⟨P⟩/∂w| of each weight at any point and observable; (weights,),
            1/radian.
    """

    proved: tuple[int, ...]
    silent: tuple[int, ...]
    largest: Float[Tensor, " weights"]


def dead_parameters(circuit: Circuit, samples: int = 100, seed: int = 0) -> DeadParameters:
    """Return the weights with ∂⟨P⟩/∂w = 0 for every observable, input and weight.

    Args:
        circuit: the whole one, encoding included, with its observables; a weight that turns
            |0⟩ may be dead without an encoding and alive behind one.
        samples: at how many random points the slopes are computed.
        seed: equal seeds give equal points.

    Returns:
        The dead weights, proved and tried.

    Raises:
        InputError: if there are no samples, observables or weights.

    Example:
        >>> from fedqml.quantum import ansatze, encodings
        >>> circuit = encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)
        >>> dead_parameters(circuit.measure("Z0", "Z1")).proved
        (11, 14, 17, 18, 19, 20, 21, 22, 23)
    """
    largest = slopes(circuit, samples, seed).abs().amax((0, 1))
    smaller = influential(circuit)
    alive = {j for op in smaller.ops if op.angle is not None for j in op.angle.weights}
    proved = tuple(j for j in range(circuit.n_weights) if j not in alive)
    silent = tuple((largest <= _ROUNDING).nonzero().flatten().tolist())
    return DeadParameters(proved, silent, largest)
