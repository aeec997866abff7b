"""From the bytes of an image file to an image."""

import os
import threading
import warnings
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from fedqml.data.pictures import Unreadable

# A list of our own: PIL would hand an EPS file to Ghostscript, which runs programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP")

# Python's filters of warnings belong to all threads together.
_FILTERS = threading.Lock()


def _renew_lock() -> None:
    # A thread that held it may not exist in a forked process, and would never give it back.
    global _FILTERS
    _FILTERS = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def decode(content: bytes) -> Image.Image:
    """Return the image in a JPEG, PNG, BMP, GIF, PPM, TIFF or WebP file, whatever its name.

    Grey images and CMYK become RGB. Transparency is ignored; of an animation, the first picture
    counts; 16-bit images keep their upper 8 bits.

    Args:
        content: the file's bytes.

    Returns:
        The image, mode RGB.

    Raises:
        Unreadable: if it is none of these, is damaged, has no fixed range of values, or has so many
            pixels that reading it could exhaust the memory.

    Example:
        >>> file = BytesIO()
        >>> Image.new("L", (2, 3), 77).save(file, "PNG")
        >>> decode(file.getvalue()).getpixel((0, 0))
        (77, 77, 77)
    """
    with recognise(content) as opened:
        try:
            return _in_rgb(opened)
        # PIL's decoders raise whatever a damaged file makes them stumble over.
        except Exception as error:
            raise Unreadable(f"it cannot be decoded: {error}") from error


def recognise(content: bytes) -> Image.Image:
    """Return an image of which only the head has been read, in the file's own mode.

    Cheap: no pixel is decoded. A file that is cut off in the middle passes.

    Args:
        content: the file's bytes.

    Raises:
        Unreadable: if it is empty, no image, or has far too many pixels.
    """
    if not content:
        raise Unreadable("it is empty")
    try:
        # PIL also warns of odd metadata, which nobody needs here.
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(BytesIO(content), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(
            f"it has more than {Image.MAX_IMAGE_PIXELS} pixels; reading it could exhaust the memory"
        ) from error
    except UnidentifiedImageError as error:
        raise Unreadable(f"it is no image ({', '.join(_FORMATS)})") from error
    except Exception as error:
        raise Unreadable(f"it cannot be decoded: {error}") from error


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        # PIL's own conversion cuts off everything above 255. (Older versions of Pillow open a
        # PNG of 16 bits in mode "I".)
        upper = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return Image.fromarray(upper).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError("its 32-bit values have no fixed range; save it with 8 or 16 bits")
    if "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    # A copy, where it is RGB already: the file is closed.
    return image.convert("RGB")
