"""Labelled images that are read when they are needed, so that a large set fits any memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int
from PIL import Image

from fedqml.core.errors import InputError


class Unreadable(Exception):
    """An image cannot be decoded; the message says why. It is left out, and that is recorded."""


@dataclass(frozen=True)
class About:
    """Where data come from, for the report.

    Attributes:
        title: what the data are called.
        url: where they are described or offered.
        licence: under which they may be used, in words.
        may_show: whether the licence allows showing the images in a report.
    """

    title: str
    url: str = ""
    licence: str = "unknown"
    may_show: bool = False


@dataclass(frozen=True, eq=False)
class Pictures:
    """Images of a source, the server's test images last.

    Attributes:
        names: each image's name in its source, such as ``train/cat.0.jpg``.
        labels: each image's class index.
        tests: how many images, the last ones, are the server's for testing.
        classes: name of each class.
        read: from an image's index to the image, mode RGB, whatever the size; raises ``Unreadable``
            for one that cannot be decoded.
        digest: SHA-256 of all images' names and bytes in their order, in 64 digits.
        about: where they come from.
        left_out: name and reason of every image that the source had to leave out.

    Raises:
        InputError: if training or test images lack a class.
    """

    names: tuple[str, ...]
    labels: Int[np.ndarray, " images"]
    tests: int
    classes: tuple[str, ...]
    read: Callable[[int], Image.Image]
    digest: str
    about: About
    left_out: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        first_test = len(self.names) - self.tests
        for part, labels in (
            ("training", self.labels[:first_test]),
            ("test", self.labels[first_test:]),
        ):
            missing = [c for i, c in enumerate(self.classes) if not (labels == i).any()]
            if missing:
                raise InputError(
                    f"There must be a {part} image of every class, but there is none of "
                    f"{', '.join(missing)} in {self.about.title}."
                )
