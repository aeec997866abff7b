"""Small handwritten digits."""

import numpy as np

from fedqml.core.errors import require
from fedqml.data.dataset import Data
from fedqml.data.hold_out import hold_out


def digits(
    classes: list[int] | None = None,
    test_fraction: float = 0.2,
    standardise: bool = False,
    seed: int = 0,
) -> Data:
    """Return handwritten digits of 8 x 8 pixels, 1,797 of them if all ten digits are chosen.

    The data come with scikit-learn; nothing is downloaded.

    Args:
        classes: two or more of the digits 0 to 9, in the order of their class indices; all ten
            if not given.
        test_fraction: share of the rows that the server keeps for testing.
        standardise: shift and scale each pixel to mean 0 and standard deviation 1, by the
            pooled training rows. A real federation would have to add up its owners' counts,
            sums and sums of squares to know these (see ``fedqml.data.standardise``).
        seed: fixes which rows are for testing; an experiment supplies the run's seed.

    Returns:
        Examples ``(rows, 64)``: pixels from 0 (empty) to 1 (ink), row by row.

    Raises:
        InputError: for classes that are no two or more different digits, or a fraction outside
            (0, 1).

    Example:
        >>> data = digits(classes=[3, 8])
        >>> tuple(data.x.shape), data.classes
        ((286, 64), ('3', '8'))

    Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits" (1998), its test
        part; UCI Machine Learning Repository, CC BY 4.0.
    """
    chosen = list(range(10)) if classes is None else classes
    possible = len(set(chosen)) == len(chosen) >= 2 and set(chosen) <= set(range(10))
    require(possible, "classes", classes, "be two or more different digits from 0 to 9")
    # Imported here because it takes a second, which other data need not wait for.
    from sklearn.datasets import load_digits

    bunch = load_digits()
    rows = np.flatnonzero(np.isin(bunch.target, chosen))
    index = np.zeros(10, dtype=np.int64)
    index[chosen] = np.arange(len(chosen))
    return hold_out(
        bunch.data[rows] / 16,
        index[bunch.target[rows]],
        [str(digit) for digit in chosen],
        test_fraction=test_fraction,
        seed=seed,
        standardised=standardise,
    )
