"""Images in folders named after their classes."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from fedqml.core.errors import InputError, require
from fedqml.core.random import stream
from fedqml.core.resolve import nearest
from fedqml.data.class_names import class_names
from fedqml.data.dataset import Data
from fedqml.data.images import read_image
from fedqml.data.paths import existing_folder
from fedqml.data.stratified import stratified_split


def image_folder(
    path: Path,
    size: int = 32,
    grey: bool = False,
    classes: list[str] | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Data:
    """Read images from folders that are named after their classes.

    The folders are ``path/<class>``, or ``path/train/<class>`` and ``path/test/<class>`` if the
    images come with a test set. They are taken in the order of classes and file names, and
    stretched to squares (see ``fedqml.data.images``). Hidden files and folders are passed over,
    and so are files beside the class folders. Links must stay inside ``path``.

    Args:
        path: the folder.
        size: side of the images in pixels.
        grey: one channel instead of red, green and blue.
        classes: two or more of the class folders, in the order of their class indices; all, in
            order of their names, if not given.
        test_fraction: share of the images that the server keeps for testing; not used if there
            are folders ``train`` and ``test``.
        seed: fixes which images are for testing; not used if there are such folders.

    Returns:
        Examples ``(rows, 3 or 1, size, size)``, values from 0 to 1.

    Raises:
        InputError: for a folder without classes or images, a class that is not there, or a file
            that cannot be read as an image, naming it.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("cat", "dog"):
        ...         (Path(folder) / name).mkdir()
        ...         for i in range(5):
        ...             Image.new("RGB", (9, 9), (50 * i, 0, 0)).save(f"{folder}/{name}/{i}.png")
        ...     data = image_folder(Path(folder), size=8)
        >>> tuple(data.x.shape), data.classes, len(data.test[1])
        ((8, 3, 8, 8), ('cat', 'dog'), 2)
    """
    require(size >= 1, "size", size, "be at least 1")
    root = existing_folder(path).resolve()
    if _is_divided(root):
        names, tested = _classes(root / "train", classes), _classes(root / "test", classes)
        if tested != names:
            raise InputError(
                f"The folders train and test of {root} must have the same classes, but train has "
                f"{', '.join(names)} and test has {', '.join(tested)}."
            )
        x, y = _read(*_files(root, "train", names), size, grey)
        test = _read(*_files(root, "test", names), size, grey)
        return Data(x, y, test=test, classes=names)
    names = _classes(root, classes)
    files, labels = _files(root, "", names)
    train, held_out = stratified_split(labels, test_fraction, stream(seed, "test rows"))
    x, y = _read([files[i] for i in train], labels[train], size, grey)
    test = _read([files[i] for i in held_out], labels[held_out], size, grey)
    return Data(x, y, test=test, classes=names)


def _visible(folder: Path) -> list[Path]:
    """Return what is in a folder by name, so that the order is the same on every machine."""
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder} must be readable, but it is not: {error.strerror}.") from error


def _is_divided(root: Path) -> bool:
    """Return whether the images come divided into training and test images."""
    # A class may well be called "train"; but then its folder holds images, not folders.
    parts = [
        part
        for part in ("train", "test")
        if (root / part).is_dir() and any(p.is_dir() for p in _visible(root / part))
    ]
    if len(parts) == 1:
        raise InputError(
            f"{root} must have class folders in both train and test or in neither, but only "
            f"{parts[0]} has."
        )
    return len(parts) == 2


def _classes(folder: Path, chosen: list[str] | None) -> tuple[str, ...]:
    found = class_names(p.name for p in _visible(folder) if p.is_dir())
    for name in chosen or ():
        if name not in found:
            raise InputError(
                f"Argument `classes` must name folders of {folder}, but there is no `{name}`."
                f"{nearest(name, found)} Found: {', '.join(found) or 'none'}."
            )
    if chosen is not None:
        distinct = len(set(chosen)) == len(chosen) >= 2
        require(distinct, "classes", chosen, "be two or more different names")
        return tuple(chosen)
    if len(found) < 2:
        raise InputError(
            f"{folder} must have a folder for each class, two or more, but it has "
            f"{', '.join(found) or 'none'}."
        )
    return found


def _files(
    root: Path, part: str, names: tuple[str, ...]
) -> tuple[list[Path], Int[np.ndarray, " rows"]]:
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        images = _visible(root / part / name)
        if not images:
            raise InputError(f"{root / part / name} must hold images, but it is empty.")
        for image in images:
            _require_inside(image, root)
        files += images
        labels += [label] * len(images)
    return files, np.array(labels, dtype=np.int64)


def _require_inside(image: Path, root: Path) -> None:
    try:
        real = image.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{image} must be an image, but it is a link to nothing.") from error
    if not real.is_relative_to(root):
        raise InputError(
            f"{image} must lie inside {root}, but it is (or lies in) a link that leads out of it."
        )
    # Anything else, such as a pipe, could keep the reader waiting for ever.
    if not real.is_file():
        raise InputError(f"{image} must be an image, but it is no regular file.")


def _read(
    files: list[Path], labels: Int[np.ndarray, " rows"], size: int, grey: bool
) -> tuple[Float32[Tensor, "rows channels size size"], Int[Tensor, " rows"]]:
    x = torch.empty(len(files), 1 if grey else 3, size, size)
    for row, file in enumerate(files):
        # A quotient of two numbers that are exact is rounded once, hence equal everywhere.
        x[row] = torch.from_numpy(read_image(file, size, grey) / np.float32(255))
    return x, torch.from_numpy(labels)
