"""What a file or folder of images is, and what of it can be used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedqml.core.errors import InputError
from fedqml.data import known_files
from fedqml.data.archives import Archive, archives_in, open_archive
from fedqml.data.found import Found
from fedqml.data.known_files import KnownFile
from fedqml.data.pictures import Unreadable
from fedqml.data.sources.cats_dogs import find_cats_dogs
from fedqml.data.sources.cifar10_pair import CLASSES, find_cifar10, verified
from fedqml.data.sources.image_folder import find_image_folder


@dataclass(frozen=True)
class Recognised:
    """What is on the disk.

    Attributes:
        what: what it is, in words.
        checks: what was checked beside the images, in words.
        counts: for each class, how many images can be used: for training and for testing, or just
            one number where nobody has divided them.
        left_out: name and reason of each image that would be left out.
        setting: how an experiment file names it, with ``PATH`` for its place.
    """

    what: str
    checks: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]
    left_out: tuple[tuple[str, str], ...]
    setting: str


_ADVICE = "`fedqml data` lists what can be used and where to get it."

Watch = Callable[[Iterable[int]], Iterable[int]]


def recognise_images(path: Path, watch: Watch = iter) -> Recognised:
    """Recognise a set of images by what it holds, and decode every image.

    Args:
        path: an archive or a folder.
        watch: passes on the numbers of the images while they are decoded, for whoever waits.

    Raises:
        InputError: if it is nothing that a source could use, and why.
    """
    archive = open_archive(path, _ADVICE)
    name, found = _find(archive)
    kept, left_out = np.ones(len(found.names), dtype=bool), list(found.left_out)
    for image in watch(range(len(found.names))):
        try:
            found.read(image)
        except Unreadable as reason:
            kept[image] = False
            left_out.append((found.names[image], str(reason)))
    counts = _counts(found, kept)
    without = [name for name, numbers in counts.items() if 0 in numbers]
    if without:
        raise InputError(
            f"{path} must hold images of every class that can be used, for training and for "
            f"testing, but has none of {', '.join(without)}."
        )
    what, setting = _WORDS[name]
    return Recognised(what, _checks(archive, name), counts, tuple(left_out), setting)


_WORDS = {
    "cats_dogs": ("photographs of cats and dogs", known_files.KAGGLE_CATS_DOGS.setting),
    "cifar10_pair": ("CIFAR-10", known_files.CIFAR10_PYTHON.setting),
    "image_folder": (
        "images in folders named after their classes",
        'data = { use = "image_folder", path = "PATH" }',
    ),
}


def _find(archive: Archive) -> tuple[str, Found]:
    if found := find_cifar10(archive, list(CLASSES)):
        return "cifar10_pair", found
    if found := find_cats_dogs(archive):
        return "cats_dogs", found
    try:
        # Only then, as this one takes any folders of images.
        return "image_folder", find_image_folder(archive)
    except InputError as error:
        raise InputError(
            f"{archive.title} must hold the photographs of cats and dogs, the batches of CIFAR-10, "
            f"or folders of images named after their classes.{archives_in(archive)} As the last: "
            f"{error}"
        ) from error


def _counts(found: Found, kept: np.ndarray) -> dict[str, tuple[int, ...]]:
    rows = len(found.names)
    first_test = rows if found.tests is None else rows - found.tests
    parts = (
        [slice(first_test)] if found.tests is None else [slice(first_test), slice(first_test, rows)]
    )
    return {
        name: tuple(int((kept[part] & (found.labels[part] == label)).sum()) for part in parts)
        for label, name in enumerate(found.classes)
    }


def _checks(archive: Archive, name: str) -> tuple[str, ...]:
    if name == "cifar10_pair":
        if verified(archive):
            return ("as published: the MD5 is right",)
        return ("not verified: nobody publishes checksums of unpacked binary batches",)
    if archive.packed is None:
        return ()
    digest = archive.packed.digest("sha256")
    if name == "image_folder":
        return (f"SHA-256 {digest}",)
    known = known_by(digest, known_files.DATA)
    return (f"SHA-256 {digest}, that of {known.name if known else 'no file known here'}",)


def known_by(digest: str, files: Iterable[KnownFile]) -> KnownFile | None:
    """Return the known file of a SHA-256, if there is one.

    Example:
        >>> known_by("88682ab5" + 56 * "0", known_files.WEIGHTS).name
        'vgg16_features-amdegroot-88682ab5.pth'
    """
    return next((file for file in files if file.sha256 and digest.startswith(file.sha256)), None)
