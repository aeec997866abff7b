"""Images in folders named after their classes."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fedqml.core.errors import InputError, require
from fedqml.core.random import stream
from fedqml.core.resolve import nearest
from fedqml.data.archives import Archive, open_archive
from fedqml.data.as_data import as_data
from fedqml.data.checks import require_form
from fedqml.data.class_names import class_names
from fedqml.data.dataset import Data
from fedqml.data.found import Found, found_in
from fedqml.data.pictures import About
from fedqml.data.plugins import Features
from fedqml.data.stratified import stratified_split


def image_folder(
    path: Path,
    size: int = 32,
    grey: bool = False,
    classes: list[str] | None = None,
    test_fraction: float = 0.2,
    features: Features = None,
    components: int = 0,
    show: bool = False,
    draw: int = 0,
) -> Data:
    """Read images from folders that are named after their classes, or from an archive of them.

    The folders are ``path/<class>``, or ``path/train/<class>`` and ``path/test/<class>`` if the
    images come with a test set. They are taken in the order of classes and file names. Hidden files
    and folders are passed over, and so are files beside the class folders. Links must stay inside
    ``path``. A zip or tar archive of such a folder is read without unpacking it.

    Args:
        path: the folder, or the archive.
        size: side in pixels of the squares that images are stretched to; not used with features.
        grey: one channel instead of red, green and blue; not used with features.
        classes: two or more of the class folders, in the order of their class indices; all, in
            order of their names, if not given.
        test_fraction: share of the images that the server keeps for testing; not used if there
            are folders ``train`` and ``test``.
        features: the frozen network whose features stand for the images; without, their pixels.
        components: project on this many principal components of the training images; 0 for none.
        show: whether the report may show some of the images. Only who may publish them can say so.
        draw: fixes which images are for testing; not used if there are such folders. It is not the
            seed of a run, so that all seeds share their features.

    Returns:
        Examples ``(rows, 3 or 1, size, size)``, values from 0 to 1, ``(rows, *features)``, or
        ``(rows, components)``.

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
    require_form(size, components)
    require(0 < test_fraction < 1, "test_fraction", test_fraction, "lie between 0 and 1")
    found = find_image_folder(open_archive(path), classes)
    if found.tests is None:
        rows = stratified_split(found.labels, test_fraction, stream(draw, "test rows"))
    else:
        every = np.arange(len(found.names))
        rows = every[: -found.tests], every[-found.tests :]
    about = About(title=Path(path).resolve().name, licence="known to their owner", may_show=show)
    return as_data(found.pictures(*rows, about), features, size, grey, components)


def find_image_folder(archive: Archive, classes: list[str] | None = None) -> Found:
    """Return the images of an archive's class folders, the test images last if there are such.

    Args:
        archive: what holds them. In a zip or tar archive, one folder may hold all others.
        classes: the class folders in the order of their indices; all if not given.

    Raises:
        InputError: as ``image_folder``.
    """
    tree = _Tree(archive)
    top = ""
    while archive.kind != "folder" and len(tree.folders[top]) == 1:
        inner = tree.path(top, tree.folders[top][0])
        if not tree.folders[inner]:
            break
        top = inner
    if not _is_divided(tree, top):
        names = _classes(tree, top, classes)
        images = _images(tree, top, top, names)
        return found_in(archive, images, names, strict=True)
    train, test = tree.path(top, "train"), tree.path(top, "test")
    names, tested = _classes(tree, train, classes), _classes(tree, test, classes)
    if tested != names:
        raise InputError(
            f"The folders train and test of {tree.title(top)} must have the same classes, but "
            f"train has {', '.join(names)} and test has {', '.join(tested)}."
        )
    first, last = _images(tree, top, train, names), _images(tree, top, test, names)
    return found_in(archive, first + last, names, strict=True, tests=len(last))


class _Tree:
    """What lies directly in each folder of an archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.files, self.folders = _by_folder(archive.files), _by_folder(archive.folders)

    def path(self, folder: str, name: str) -> str:
        return f"{folder}/{name}" if folder else name

    def title(self, folder: str) -> str:
        return f"{self._archive.title}/{folder}" if folder else self._archive.title


def _by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    inside: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        folder, _, last = name.rpartition("/")
        inside[folder].append(last)
    return inside


def _is_divided(tree: _Tree, top: str) -> bool:
    """Return whether the images come divided into training and test images."""
    # A class may well be called "train"; but then its folder holds images, not folders.
    parts = [part for part in ("train", "test") if tree.folders[tree.path(top, part)]]
    if len(parts) == 1:
        raise InputError(
            f"{tree.title(top)} must have class folders in both train and test or in neither, but "
            f"only {parts[0]} has."
        )
    return len(parts) == 2


def _classes(tree: _Tree, folder: str, chosen: list[str] | None) -> tuple[str, ...]:
    found = class_names(tree.folders[folder])
    for name in chosen or ():
        if name not in found:
            raise InputError(
                f"Argument `classes` must name folders of {tree.title(folder)}, but there is no "
                f"`{name}`.{nearest(name, found)} Found: {', '.join(found) or 'none'}."
            )
    if chosen is not None:
        distinct = len(set(chosen)) == len(chosen) >= 2
        require(distinct, "classes", chosen, "be two or more different names")
        return tuple(chosen)
    if len(found) < 2:
        raise InputError(
            f"{tree.title(folder)} must have a folder for each class, two or more, but it has "
            f"{', '.join(found) or 'none'}."
        )
    return found


def _images(
    tree: _Tree, top: str, folder: str, names: tuple[str, ...]
) -> list[tuple[str, str, int]]:
    images = []
    for label, name in enumerate(names):
        place = tree.path(folder, name)
        if tree.folders[place]:
            raise InputError(
                f"{tree.title(tree.path(place, tree.folders[place][0]))} must be an image, but it "
                "is no regular file."
            )
        if not tree.files[place]:
            raise InputError(f"{tree.title(place)} must hold images, but it is empty.")
        for file in tree.files[place]:
            member = f"{place}/{file}"
            images.append((member.removeprefix(f"{top}/"), member, label))
    return images
