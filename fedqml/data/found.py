"""Images that were found in a source, before it is settled which of them are for testing."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from PIL import Image

from fedqml.core.errors import InputError
from fedqml.data.archives import Archive
from fedqml.data.images import decode, recognise
from fedqml.data.pictures import About, Pictures, Unreadable

Rows = Int[np.ndarray, " _"]


@dataclass(frozen=True, eq=False)
class Found:
    """Labelled images in the order of their source.

    Attributes:
        names: each image's name, the same for a folder and an archive of it.
        labels: each image's class index.
        classes: name of each class.
        hashes: SHA-256 of each image's bytes.
        read: from an image's index to the image; raises ``Unreadable``.
        left_out: name and reason of what cannot be an image of the set.
        tests: how many of them, the last ones, come as test images; None if nothing says so.
    """

    names: tuple[str, ...]
    labels: Int[np.ndarray, " images"]
    classes: tuple[str, ...]
    hashes: tuple[bytes, ...]
    read: Callable[[int], Image.Image]
    left_out: tuple[tuple[str, str], ...] = ()
    tests: int | None = None

    def pictures(self, train: Rows, tests: Rows, about: About) -> Pictures:
        """Return some of the images, those for testing last.

        The digest is the SHA-256 of each image's name and SHA-256, in their order: it depends on
        all names and bytes, and on nothing else.

        Args:
            train: indices of the training images.
            tests: indices of the test images.
            about: where the images come from.

        Raises:
            InputError: if training or test images lack a class.
        """
        rows = np.concatenate([train, tests]).tolist()
        sha = hashlib.sha256()
        for row in rows:
            sha.update(f"{self.names[row]}\0".encode(errors="surrogateescape") + self.hashes[row])
        read = self.read
        return Pictures(
            names=tuple(self.names[row] for row in rows),
            labels=self.labels[rows],
            tests=len(tests),
            classes=self.classes,
            read=lambda image: read(rows[image]),
            digest=sha.hexdigest(),
            about=about,
            left_out=self.left_out,
        )


def found_in(
    archive: Archive,
    images: Iterable[tuple[str, str, int]],
    classes: Sequence[str],
    left_out: Iterable[tuple[str, str]] = (),
    *,
    strict: bool = False,
    tests: int | None = None,
) -> Found:
    """Read all images of an archive once, and keep those that can be images.

    Every byte is read and every checksum of the archive tested, so that a damaged archive is
    refused before any work; but only heads are decoded, so an image may still turn out damaged.

    Args:
        archive: what holds them.
        images: name, name in the archive, and class index of each.
        classes: name of each class.
        left_out: what was found to be no image by its name.
        tests: how many of them, the last ones, come as test images.
        strict: refuse an image that cannot be read rather than leave it out.

    Raises:
        InputError: if the archive is damaged; if ``strict``, also for an image that cannot be read,
            at once or when it is decoded.
    """
    names, labels, hashes, members, out = [], [], [], [], list(left_out)
    for name, member, label in images:
        content = archive.read(member)
        try:
            recognise(content).close()
        except Unreadable as reason:
            if strict:
                raise _refused(archive, member, reason) from reason
            out.append((name, str(reason)))
            continue
        names.append(name)
        labels.append(label)
        hashes.append(hashlib.sha256(content).digest())
        members.append(member)

    def read(image: int) -> Image.Image:
        try:
            return decode(archive.read(members[image]))
        except Unreadable as reason:
            if strict:
                raise _refused(archive, members[image], reason) from reason
            raise

    return Found(
        tuple(names),
        np.array(labels, dtype=np.int64),
        tuple(classes),
        tuple(hashes),
        read,
        tuple(out),
        tests,
    )


def _refused(archive: Archive, member: str, reason: Unreadable) -> InputError:
    return InputError(f"{archive.title}/{member} must be an image, but {reason}.")
