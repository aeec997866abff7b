"""Two classes of CIFAR-10, or more."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from fedqml.core.errors import InputError, require
from fedqml.core.resolve import nearest
from fedqml.data import known_files
from fedqml.data.archives import Archive, archives_in, open_archive
from fedqml.data.as_data import as_data
from fedqml.data.checks import require_form
from fedqml.data.dataset import Data
from fedqml.data.found import Found
from fedqml.data.pictures import About
from fedqml.data.plain_pickle import Forbidden, load_plain
from fedqml.data.plugins import Features

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_PIXELS = 3 * 32 * 32
_ADVICE = known_files.where_to_get(known_files.CIFAR10_PYTHON, known_files.CIFAR10_BINARY)

Labels = Int[np.ndarray, " images"]
Pixels = UInt8[np.ndarray, "images 3072"]


def cifar10_pair(
    path: Path,
    classes: list[str] | None = None,
    size: int = 32,
    grey: bool = False,
    features: Features = None,
    components: int = 0,
) -> Data:
    """Read two classes of CIFAR-10, or more, from where it was downloaded to.

    ``cifar-10-python.tar.gz``, ``cifar-10-binary.tar.gz``, or a folder with what was in one of
    them, recognised by its content. The python archive's batches must have the MD5 that their
    authors publish, before they are read by a reader of pickles that can make nothing but arrays;
    the binary archive must have its own. Of unpacked binary batches no checksums are published:
    their sizes and labels are checked, and the report says that they are not verified.

    A class has 5,000 training and 1,000 test images; which are which is fixed by CIFAR-10.

    Args:
        path: the archive or folder.
        classes: two or more of CIFAR-10's classes, in the order of their class indices; airplane
            and automobile if not given.
        size: side in pixels of the squares that images are stretched to; not used with features.
        grey: one channel instead of red, green and blue; not used with features.
        features: the frozen network whose features stand for the images; without, their pixels.
        components: project on this many principal components of the training images; 0 for none.

    Returns:
        Examples ``(rows, 3 or 1, size, size)`` from 0 to 1, ``(rows, *features)``, or ``(rows,
        components)``.

    Raises:
        InputError: if there is no such archive or folder, if a file of it is missing, damaged or
            not the official one, or for classes that CIFAR-10 does not have.

    Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
    """
    require_form(size, components)
    chosen = list(CLASSES[:2]) if classes is None else classes
    for name in chosen:
        if name not in CLASSES:
            raise InputError(
                f"Argument `classes` must name classes of CIFAR-10, but `{name}` is none."
                f"{nearest(name, CLASSES)} Allowed: {', '.join(CLASSES)}."
            )
    distinct = len(set(chosen)) == len(chosen) >= 2
    require(distinct, "classes", classes, "be two or more different names")
    archive = open_archive(path, _ADVICE)
    found = find_cifar10(archive, chosen)
    if found is None or found.tests is None:
        raise InputError(
            f"{path} must hold the batches of CIFAR-10, cifar-10-batches-py/data_batch_1 or "
            f"cifar-10-batches-bin/data_batch_1.bin and so on, but it has none."
            f"{archives_in(archive)} {_ADVICE}"
        )
    rows = np.arange(len(found.names))
    about = About(
        title="CIFAR-10" + ("" if verified(archive) else ", unpacked binary batches, not verified"),
        url=known_files.CIFAR10_PYTHON.page,
        licence=known_files.CIFAR10_PYTHON.licence,
    )
    pictures = found.pictures(rows[: -found.tests], rows[-found.tests :], about)
    return as_data(pictures, features, size, grey, components)


def find_cifar10(archive: Archive, classes: list[str]) -> Found | None:
    """Return the images of some classes, in the order of CIFAR-10, the test images last.

    Args:
        archive: what may hold CIFAR-10's batches.
        classes: names of classes, in the order of their indices.

    Returns:
        The images, or None if there are none of CIFAR-10's files.

    Raises:
        InputError: if a batch is missing, damaged, or has another checksum than it should.
    """
    batches = _places(archive)
    if batches is None:
        return None
    _require_official(archive, batches)
    index = np.full(len(CLASSES), -1)
    index[[CLASSES.index(name) for name in classes]] = np.arange(len(classes))
    names, hashes, labels, images = list[str](), list[bytes](), [], []
    for batch, (all_labels, all_pixels) in _read(archive, batches):
        rows = np.flatnonzero(index[all_labels] >= 0)
        names += [f"{batch}/{row}" for row in rows]
        hashes += [hashlib.sha256(pixels).digest() for pixels in all_pixels[rows]]
        labels.append(index[all_labels[rows]])
        images.append(all_pixels[rows])
    pixels = np.concatenate(images).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Found(
        tuple(names),
        np.concatenate(labels),
        tuple(classes),
        tuple(hashes),
        lambda image: Image.fromarray(np.ascontiguousarray(pixels[image])),
        tests=len(labels[-1]),
    )


def verified(archive: Archive) -> bool:
    """Return whether there are checksums for what an archive holds of CIFAR-10."""
    places = _places(archive)
    return archive.kind == "tar" or (places is not None and not _binary(places))


def _places(archive: Archive) -> dict[str, str] | None:
    """Return where each batch lies, those of the python version if there are both."""
    for suffix in ("", ".bin"):
        wanted = {f"{batch}{suffix}": batch for batch in known_files.CIFAR10_BATCHES}
        places: dict[str, str] = {}
        for file in archive.files:
            batch = wanted.get(file.rpartition("/")[2])
            if batch in places:
                raise InputError(
                    f"{archive.title} must hold CIFAR-10 once, but it holds {places[batch]} and "
                    f"{file}; name one of the folders."
                )
            if batch:
                places[batch] = file
        missing = [f"{batch}{suffix}" for batch in wanted.values() if batch not in places]
        if places and missing:
            raise InputError(
                f"{archive.title} must hold all of CIFAR-10's batches, but there is no "
                f"{', '.join(missing)}. {_ADVICE}"
            )
        if places:
            return {batch: places[batch] for batch in wanted.values()}
    return None


def _binary(places: dict[str, str]) -> bool:
    return places["test_batch"].endswith(".bin")


def _require_official(archive: Archive, places: dict[str, str]) -> None:
    # Of the python version each batch is checked, wherever it lies.
    if not (_binary(places) and archive.kind == "tar" and archive.packed):
        return
    _require_md5(archive.title, archive.packed.digest("md5"), known_files.CIFAR10_BINARY.md5)


def _read(archive: Archive, places: dict[str, str]) -> Iterator[tuple[str, tuple[Labels, Pixels]]]:
    for batch, file in places.items():
        content = archive.read(file)
        where = f"{archive.title}/{file}"
        if _binary(places):
            labels, pixels = _of_records(where, content)
        else:
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            _require_md5(where, md5, known_files.CIFAR10_BATCHES[batch])
            labels, pixels = _of_pickle(where, content)
        if len(labels) != known_files.CIFAR10_ROWS or labels.min() < 0 or labels.max() > 9:
            raise InputError(
                f"{where} must hold {known_files.CIFAR10_ROWS} images with labels from 0 to 9, but "
                f"it holds {len(labels)}, or other labels. {_ADVICE}"
            )
        yield batch, (labels, pixels)


def _of_records(where: str, content: bytes) -> tuple[Labels, Pixels]:
    if not content or len(content) % (1 + _PIXELS):
        raise InputError(
            f"{where} must hold records of {1 + _PIXELS} bytes, but it has {len(content)} bytes. "
            f"{_ADVICE}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return records[:, 0].astype(np.int64), np.ascontiguousarray(records[:, 1:])


def _of_pickle(where: str, content: bytes) -> tuple[Labels, Pixels]:
    try:
        batch = load_plain(content)
        pixels, labels = batch[b"data"], np.array(batch[b"labels"])
        shaped = isinstance(pixels, np.ndarray) and pixels.shape == (len(labels), _PIXELS)
        if not shaped or labels.dtype.kind != "i" or not len(labels):
            raise Forbidden("it holds no labels and images")
    except (Forbidden, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where} must be a batch of CIFAR-10, but {error}. {_ADVICE}") from error
    return labels.astype(np.int64), np.ascontiguousarray(pixels)


def _require_md5(where: str, found: str, official: str) -> None:
    if found != official:
        raise InputError(
            f"{where} must have the MD5 {official}, but it has {found}: it is damaged, or not the "
            f"official file. {_ADVICE}"
        )
