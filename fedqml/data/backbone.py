"""A frozen network that turns images into features, once, before any federation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import nn


@dataclass(frozen=True)
class Backbone:
    """A network with given weights, and how it wants its images.

    Attributes:
        title: the network's name, for people.
        prepare: from an RGB image to its pixels ``(3, height, width)``, 0 to 255: resized and
            cropped; colours are the network's business.
        network: makes the frozen network in evaluation mode, float32: from pixels
            ``(batch, 3, height, width)``, numbers from 0 to 255, to features ``(batch, *shape)``,
            its own normalisation of colours included.
        shape: of an image's features.
        batch: how many images the network gets at once. Always the same, as the last bits of
            features may depend on it.
        settings: all that the features depend on beside the image, ready for JSON: network, digest
            of the weights, preprocessing, size. The cache's key, and part of the report.
    """

    title: str
    prepare: Callable[[Image.Image], UInt8[np.ndarray, "3 height width"]]
    network: Callable[[], nn.Module]
    shape: tuple[int, ...]
    batch: int
    settings: Mapping[str, Any]
