"""Features of comparable size."""

import numpy as np
from jaxtyping import Float


def standardise(
    train: Float[np.ndarray, "rows *features"], test: Float[np.ndarray, "tests *features"]
) -> tuple[Float[np.ndarray, "rows *features"], Float[np.ndarray, "tests *features"]]:
    """Shift and scale each feature to mean 0 and standard deviation 1 on the training rows.

    ``x' = (x - mean) / sd`` with ``sd = sqrt(sum((x - mean)^2) / rows)``, for the test rows
    with the training rows' mean and sd. A feature that is constant in training has sd 1, so
    it becomes 0.

    These are statistics of the *pooled* training rows. Owners who may not pool their data would
    have to find them together first, by adding up each owner's number of rows, sums and sums of
    squares, as ``fedqml.data.facts`` does; those sums are then known to whoever adds them up.

    Args:
        train: training examples in double precision, in any unit.
        test: test examples in the same units.

    Returns:
        Both, standardised, without a unit.

    Example:
        >>> standardise(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[5.0, 6.0]]))
        (array([[-1.,  0.],
               [ 1.,  0.]]), array([[3., 1.]]))
    """
    # The mean of equal numbers may differ from them in the last digit, and dividing by the
    # spread of such errors would turn them into values of +-1.
    constant = (train == train[:1]).all(axis=0)
    mean = np.where(constant, train[0], train.mean(axis=0))
    centred = train - mean
    # Relative to the largest value, no square can overflow or vanish.
    peak = np.where(constant, 1.0, np.abs(centred).max(axis=0))
    spread = peak * np.sqrt(np.square(centred / peak).mean(axis=0))
    sd = np.where(constant, 1.0, spread)
    return centred / sd, (test - mean) / sd
