"""Photos of any shape as squares of a given size."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from fedqml.data.pictures import Unreadable

# Of an image as it is resized before it is cropped.
_MOST_PIXELS = 1 << 26


def stretched(image: Image.Image, size: int) -> Image.Image:
    """Return an image stretched to a square; the aspect ratio is not kept.

    Resized by PIL's antialiased bilinear filter; an image of that size is left as it is.

    Args:
        image: in mode L or RGB.
        size: side of the square in pixels.

    Example:
        >>> stretched(Image.new("L", (9, 5)), 4).size
        (4, 4)
    """
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.BILINEAR)


def cropped(image: Image.Image, size: int) -> Image.Image:
    """Return the square in an image's middle, after resizing the image a little wider than that.

    The shorter side becomes ``size * 256 // 224`` pixels by PIL's antialiased bilinear filter, and
    the middle ``size`` by ``size`` of them are kept: for 224 what torchvision does before its
    networks. A square image of side ``size`` is left as it is.

    Args:
        image: in mode L or RGB.
        size: side of the square in pixels.

    Raises:
        Unreadable: for an image so long and narrow that it would become too large.

    Example:
        >>> cropped(Image.new("RGB", (500, 375)), 224).size
        (224, 224)
    """
    width, height = image.size
    if width == height == size:
        return image
    shorter = size * 256 // 224
    if width <= height:
        width, height = shorter, int(shorter * height / width)
    else:
        width, height = int(shorter * width / height), shorter
    if width * height > _MOST_PIXELS:
        raise Unreadable(
            f"its sides, {image.width} and {image.height} pixels, differ so much that resizing it "
            "could exhaust the memory"
        )
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def channels_first(image: Image.Image) -> UInt8[np.ndarray, "channels height width"]:
    """Return an image's pixels, 0 to 255, channels first.

    Args:
        image: in mode L or RGB.

    Example:
        >>> channels_first(Image.new("RGB", (5, 4))).shape
        (3, 4, 5)
    """
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
