"""The Wisconsin breast cancer data."""

from fedqml.data.dataset import Data
from fedqml.data.hold_out import hold_out


def breast_cancer(test_fraction: float = 0.2, standardise: bool = True, seed: int = 0) -> Data:
    """Return 569 tumours, 212 malignant and 357 benign, with 30 measurements of their cells each.

    The data come with scikit-learn; nothing is downloaded.

    Args:
        test_fraction: share of the rows that the server keeps for testing.
        standardise: shift and scale each feature to mean 0 and standard deviation 1, by the
            pooled training rows. A real federation has to add up its owners' counts, sums
            and sums of squares to know these, as ``owner_tables`` does.
        seed: fixes which rows are for testing; an experiment supplies the run's seed.

    Returns:
        Examples ``(rows, 30)``; classes malignant and benign.

    Raises:
        InputError: for a fraction outside (0, 1).

    Example:
        >>> data = breast_cancer()
        >>> len(data.y), len(data.test[1]), data.classes
        (455, 114, ('malignant', 'benign'))

    Source: Street, Wolberg and Mangasarian, "Nuclear feature extraction for breast tumor
        diagnosis", SPIE 1905 (1993); UCI Machine Learning Repository, CC BY 4.0.
    """
    # Imported here because it takes a second, which other data need not wait for.
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    return hold_out(
        bunch.data,
        bunch.target,
        [str(name) for name in bunch.target_names],
        test_fraction=test_fraction,
        seed=seed,
        standardised=standardise,
    )
