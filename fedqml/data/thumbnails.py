"""Small pictures for a report."""

import base64
from io import BytesIO

from PIL import Image

_SIDE = 64


def thumbnail(image: Image.Image) -> str:
    """Return an image as PNG in base64, made smaller if a side has more than 64 pixels.

    Example:
        >>> thumbnail(Image.new("RGB", (500, 375)))[:11]
        'iVBORw0KGgo'
    """
    small = image.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    content = BytesIO()
    small.save(content, format="PNG")
    return base64.b64encode(content.getvalue()).decode("ascii")
