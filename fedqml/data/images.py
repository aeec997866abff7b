"""One image file as an array."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from fedqml.core.errors import InputError

# A list of our own: PIL would hand an EPS file to Ghostscript, which runs programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")


def read_image(path: Path, size: int, grey: bool) -> UInt8[np.ndarray, "channels size size"]:
    """Read an image, stretch it to a square and return its pixels.

    Resized by PIL's antialiased bilinear filter; the aspect ratio is not kept. Transparency
    is ignored; of an animation, the first picture counts; 16-bit images keep their upper 8 bits.

    Args:
        path: a JPEG, PNG, BMP, GIF, PPM, TIFF or WebP file.
        size: side of the square in pixels.
        grey: one channel, the luma of ITU-R BT.601, instead of red, green and blue.

    Returns:
        Pixels from 0 to 255, channels first.

    Raises:
        InputError: naming the file, if it cannot be read as an image, has no fixed range of
            values, or has so many pixels that reading it could exhaust the memory.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as opened:
                image = _eight_bits(opened, "L" if grey else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(
            f"Image {path} must have at most {Image.MAX_IMAGE_PIXELS} pixels, but it has more; "
            "reading it could exhaust the memory."
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"File {path} must be an image ({', '.join(_FORMATS)}), but it is not readable as one."
        ) from error
    # PIL's decoders raise whatever a damaged file makes them stumble over.
    except Exception as error:
        raise InputError(f"Image {path} must be readable, but it is not: {error}.") from error
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # PIL's own conversion cuts off everything above 255. (Older versions of Pillow open a
        # PNG of 16 bits in mode "I".)
        upper = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return Image.fromarray(upper).convert(mode)
    if image.mode in ("I", "F"):
        raise ValueError("its 32-bit values have no fixed range; save it with 8 or 16 bits")
    if "transparency" in image.info:
        return image.convert("RGBA").convert(mode)
    return image.convert(mode)
