"""From images to data: their pixels, or what a frozen network makes of them."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from fedqml.core.errors import InputError, require, whole
from fedqml.data.backbone import Backbone
from fedqml.data.dataset import Data
from fedqml.data.feature_cache import cached_features
from fedqml.data.pictures import Pictures, Unreadable
from fedqml.data.principal import principal
from fedqml.data.squares import channels_first, stretched
from fedqml.data.thumbnails import thumbnail

_SAMPLES = 4


def as_data(
    pictures: Pictures,
    features: Backbone | None = None,
    size: int = 32,
    grey: bool = False,
    components: int = 0,
) -> Data:
    """Return labelled images as data for a federation.

    Images that cannot be read are left out, and ``Data.about`` names them. It also says where the
    images come from and what was done to them and, where their licence allows that, shows some of
    the test images.

    Args:
        pictures: the images, the server's test images last.
        features: the frozen network whose features to take, from the cache if they were computed
            before (see ``fedqml.data.feature_cache``): they stay on the disk and are mapped
            into memory. Without it the pixels are taken.
        size: side of the square that images are stretched to, in pixels; for pixels only.
        grey: one channel, the luma of ITU-R BT.601, instead of red, green and blue; for pixels
            only.
        components: if not 0, the examples become so many principal components of the pooled
            training rows, at unit variance (see ``principal`` for what a real federation
            would have to do).

    Returns:
        Examples ``(rows, channels, size, size)`` of pixels from 0 to 1, or ``(rows, *shape)`` of
        features, or ``(rows, components)``.

    Raises:
        InputError: for a setting out of range, if a class has no readable training or test image,
            or as ``cached_features``.
    """
    size = whole("size", size, least=1)
    components = whole("components", components, least=0)
    require(not (grey and features), "grey", grey, "be false where a network takes the features")
    if features is None:
        x, left_out = _pixels(pictures, size, grey)
    else:
        found = cached_features(pictures, features)
        x, left_out = found.rows, found.left_out
    kept = np.ones(len(pictures.names), dtype=bool)
    kept[list(left_out)] = False
    _require_classes(pictures, kept, left_out)
    names = [name for name, is_kept in zip(pictures.names, kept, strict=True) if is_kept]
    y = torch.from_numpy(pictures.labels[kept].astype(np.int64))
    rows = int(kept[: len(kept) - pictures.tests].sum())
    train, test = x[:rows], x[rows:]
    about = _about(pictures, left_out, kept)
    if features is None:
        about["pixels"] = {"size": size, "grey": grey}
    else:
        about["features"] = {
            "title": features.title,
            "shape": list(features.shape),
            **features.settings,
        }
    if components:
        train, test, share = principal(train, test, components)
        about["components"] = {"number": components, "variance": share}
    return Data(
        train,
        y[:rows],
        test=(test, y[rows:]),
        classes=pictures.classes,
        test_names=tuple(names[rows:]),
        about=about,
    )


def _pixels(
    pictures: Pictures, size: int, grey: bool
) -> tuple[Float32[Tensor, "rows channels size size"], dict[int, str]]:
    x = torch.empty(len(pictures.names), 1 if grey else 3, size, size)
    left_out: dict[int, str] = {}
    row = 0
    for index in range(len(pictures.names)):
        try:
            image = pictures.read(index)
        except Unreadable as error:
            left_out[index] = str(error)
            continue
        pixels = channels_first(stretched(image.convert("L") if grey else image, size))
        # A quotient of two numbers that are exact is rounded once, hence equal everywhere.
        x[row] = torch.from_numpy(pixels / np.float32(255))
        row += 1
    return x[:row], left_out


def _require_classes(
    pictures: Pictures, kept: Bool[np.ndarray, " images"], left_out: dict[int, str]
) -> None:
    first_test = len(kept) - pictures.tests
    for part, here in (("training", slice(first_test)), ("test", slice(first_test, None))):
        present = set(pictures.labels[here][kept[here]].tolist())
        for label, name in enumerate(pictures.classes):
            if label not in present:
                first = next(i for i in left_out if pictures.labels[i] == label)
                raise InputError(
                    f"There must be a readable {part} image of every class, but there is none of "
                    f"{name} in {pictures.about.title}; {pictures.names[first]}: {left_out[first]}"
                )


def _about(
    pictures: Pictures, left_out: dict[int, str], kept: Bool[np.ndarray, " images"]
) -> dict[str, Any]:
    about = pictures.about
    found: dict[str, Any] = {
        "title": about.title,
        "url": about.url,
        "licence": about.licence,
        "may_show": about.may_show,
        "left_out": [
            {"name": name, "reason": reason}
            for name, reason in (
                *pictures.left_out,
                *((pictures.names[index], reason) for index, reason in left_out.items()),
            )
        ],
    }
    if about.may_show:
        found["samples"] = _samples(pictures, kept)
    return found


def _samples(
    pictures: Pictures, kept: Bool[np.ndarray, " images"]
) -> dict[str, list[dict[str, str]]]:
    """Return some images of each class: the server's, as training images are their owners'."""
    tests = np.arange(len(kept))[len(kept) - pictures.tests :]
    tests = tests[kept[tests]]
    return {
        name: [
            {"name": pictures.names[index], "png": thumbnail(pictures.read(int(index)))}
            for index in tests[pictures.labels[tests] == label][:_SAMPLES]
        ]
        for label, name in enumerate(pictures.classes)
    }
