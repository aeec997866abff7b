"""Small handwritten digits."""

import hashlib

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from fedqml.core.errors import require
from fedqml.core.random import stream
from fedqml.data.as_data import as_data
from fedqml.data.checks import require_form
from fedqml.data.dataset import Data
from fedqml.data.found import Found
from fedqml.data.hold_out import hold_out
from fedqml.data.pictures import About
from fedqml.data.plugins import Features
from fedqml.data.stratified import stratified_split

_SIDE = 8
_ABOUT = About(
    title="handwritten digits",
    url="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    licence="CC BY 4.0",
    may_show=True,
)


def digits(
    classes: list[int] | None = None,
    test_fraction: float = 0.2,
    standardise: bool = False,
    features: Features = None,
    components: int = 0,
    seed: int = 0,
) -> Data:
    """Return handwritten digits of 8 x 8 pixels, 1,797 of them if all ten digits are chosen.

    The data come with scikit-learn; nothing is downloaded. With ``features`` they are grey images
    to try a frozen network on: the whole way from images to a report without any archive.

    Args:
        classes: two or more of the digits 0 to 9, in the order of their class indices; all ten
            if not given.
        test_fraction: share of the rows that the server keeps for testing.
        standardise: shift and scale each pixel to mean 0 and standard deviation 1, by the
            pooled training rows. A real federation has to add up its owners' counts, sums
            and sums of squares to know these, as ``owner_tables`` does. Of pixels
            only: not together with ``features`` or ``components``.
        features: the frozen network whose features stand for the images; without, their pixels.
        components: project on this many principal components of the training images; 0 for none.
        seed: fixes which rows are for testing; an experiment supplies the run's seed.

    Returns:
        Examples ``(rows, 64)``: pixels from 0 (empty) to 1 (ink), row by row; or ``(rows,
        *features)``, or ``(rows, components)``.

    Raises:
        InputError: for classes that are no two or more different digits, a fraction outside
            (0, 1), or ``standardise`` where no pixels are used.

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
    require_form(_SIDE, components)
    plain = features is None and not components
    require(plain or not standardise, "standardise", standardise, "be false unless pixels are used")
    # Imported here because it takes a second, which other data need not wait for.
    from sklearn.datasets import load_digits

    bunch = load_digits()
    rows = np.flatnonzero(np.isin(bunch.target, chosen))
    index = np.zeros(10, dtype=np.int64)
    index[chosen] = np.arange(len(chosen))
    x, y, names = bunch.data[rows], index[bunch.target[rows]], [str(digit) for digit in chosen]
    if plain:
        return hold_out(
            x / 16, y, names, test_fraction=test_fraction, seed=seed, standardised=standardise
        )
    train, test = stratified_split(y, test_fraction, stream(seed, "test rows"))
    grey = np.rint(x * (255 / 16)).astype(np.uint8)
    pictures = _found(grey, y, names, rows).pictures(train, test, _ABOUT)
    return as_data(pictures, features, _SIDE, features is None, components)


def _found(
    grey: UInt8[np.ndarray, "rows 64"],
    y: Int[np.ndarray, " rows"],
    classes: list[str],
    rows: Int[np.ndarray, " rows"],
) -> Found:
    return Found(
        tuple(f"digit {row}" for row in rows),
        y,
        tuple(classes),
        tuple(hashlib.sha256(image).digest() for image in grey),
        lambda image: Image.fromarray(grey[image].reshape(_SIDE, _SIDE)).convert("RGB"),
    )
