"""Which entries of a weight vector are angles: what rules know of the circuits."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Angles:
    """The entries of a model's weight vector that are angles; ``fedqml.angles`` finds them.

    Attributes:
        size: the length d of the vector.
        entries: where the angles lie in it, in rising order.
        periods: of each, the period T of all that is measured, radians: w and w + T are the same.
        rotations: three of the ``entries`` in each row, the angles of RZ, RY and RZ in the order of
            time, which together are one rotation of a qubit.
    """

    size: int
    entries: Int[Tensor, " a"]
    periods: Float[Tensor, " a"]
    rotations: Int[Tensor, "r 3"]
