"""Photographs of cats and dogs, as Microsoft and Kaggle offer them."""

import re
from collections import Counter
from pathlib import Path

from fedqml.core.errors import InputError, require
from fedqml.core.random import stream
from fedqml.data import known_files
from fedqml.data.archives import Archive, archives_in, nested, open_archive
from fedqml.data.as_data import as_data
from fedqml.data.checks import require_form
from fedqml.data.dataset import Data
from fedqml.data.found import Found, found_in
from fedqml.data.pictures import About
from fedqml.data.plugins import Features
from fedqml.data.stratified import stratified_split

CLASSES = ("cat", "dog")
_MICROSOFT = re.compile(r"(?:(?:.*/)?PetImages/)?(Cat|Dog)/([^/]+)")
_KAGGLE = re.compile(r"(?:(?:.*/)?train/)?(cat|dog)\.(\d+)\.jpg")
_UNLABELLED = re.compile(r"(?:.*/)?\d+\.jpg")
_ADVICE = known_files.where_to_get(known_files.KAGGLE_CATS_DOGS, known_files.MICROSOFT_CATS_DOGS)


def cats_dogs(
    path: Path,
    train: int = 23_000,
    tests: int = 2_000,
    size: int = 32,
    grey: bool = False,
    features: Features = None,
    components: int = 0,
    draw: int = 0,
) -> Data:
    """Read photographs of cats and dogs from where they were downloaded to, without unpacking.

    What is there is recognised by its content: Microsoft's zip archive (``PetImages/Cat/0.jpg``),
    Kaggle's (``train/cat.0.jpg``), Kaggle's with that one inside, or a folder with what was in
    them. Only Kaggle's has 25,000 photographs; of Microsoft's two are empty. What is no image is
    left out before test images are drawn; photographs that turn out damaged are left out where they
    are. All that was left out is recorded with the reason. Where to download them, their terms, and
    what is known to be wrong with them: docs/data.md.

    Args:
        path: the archive or folder.
        train: training images, drawn at random, equally many of each class as far as there are; if
            there are fewer, all that are not for testing.
        tests: images that the server keeps for testing, drawn in the same way.
        size: side in pixels of the squares that images are stretched to; not used with features.
        grey: one channel instead of red, green and blue; not used with features.
        features: the frozen network whose features stand for the images; without, their pixels.
        components: project on this many principal components of the training images; 0 for none.
        draw: fixes which images are drawn. Not the seed of a run: that the server has one test set,
            as in the paper, lets all seeds share features that take hours to compute.

    Returns:
        Examples ``(rows, 3 or 1, size, size)`` from 0 to 1, ``(rows, *features)``, or ``(rows,
        components)``; classes cat and dog.

    Raises:
        InputError: if there is no such archive or folder, if it is damaged, or if it has too few
            images.

    Source: J. Elson et al., "Asirra: a CAPTCHA that exploits interest-aligned manual image
        categorization", CCS 2007; sizes as in arXiv:2103.12010.
    """
    require_form(size, components)
    require(train >= 2, "train", train, "be at least 2")
    require(tests >= 2, "tests", tests, "be at least 2")
    archive = open_archive(path, _ADVICE)
    found = find_cats_dogs(archive)
    if found is None:
        raise InputError(
            f"{path} must hold the photographs of cats and dogs, PetImages/Cat/0.jpg or "
            f"train/cat.0.jpg and so on, but it has none."
            f"{_unlabelled(archive)}{archives_in(archive)} {_ADVICE}"
        )
    if tests > len(found.names) - 2:
        raise InputError(
            f"Argument `tests` must leave images to train with, but tests={tests} and {path} has "
            f"{len(found.names)} images."
        )
    share = tests / len(found.names)
    rows, held_out = stratified_split(found.labels, share, stream(draw, "test rows"))
    if train < len(rows):
        share = train / len(rows)
        rng = stream(draw, "training rows")
        rows = rows[stratified_split(found.labels[rows], share, rng)[1]]
    about = About(
        title="cats and dogs",
        url=known_files.MICROSOFT_CATS_DOGS.page,
        licence=known_files.MICROSOFT_CATS_DOGS.licence,
    )
    return as_data(found.pictures(rows, held_out, about), features, size, grey, components)


def find_cats_dogs(archive: Archive) -> Found | None:
    """Return the photographs that an archive or folder holds, in the order of their numbers.

    Args:
        archive: what may hold them, or may hold the archive ``train.zip`` that does.

    Returns:
        The images, or None if there are none.

    Raises:
        InputError: if the archive is damaged, or holds both forms or a photograph twice.
    """
    found = _found(archive)
    inner = [name for name in archive.files if name.rpartition("/")[2] == "train.zip"]
    if not found and inner:
        # Once and no deeper: there are archives that hold themselves.
        archive = nested(archive, inner[0])
        found = _found(archive)
    if len(found) == 2:
        raise InputError(
            f"{archive.title} must hold either Microsoft's or Kaggle's photographs, but it holds "
            "PetImages and train; name one of them."
        )
    if not found:
        return None
    images, left_out = found[0]
    names = [name for name, *_ in images.values()]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(
            f"{archive.title} must hold every photograph once, but it holds {twice[0]} in several "
            "folders; name one of them."
        )
    ordered = [images[key] for key in sorted(images)]
    return found_in(archive, ordered, CLASSES, left_out)


Images = dict[tuple[int, int, str], tuple[str, str, int]]
Kept = tuple[Images, list[tuple[str, str]]]


def _found(archive: Archive) -> list[Kept]:
    return [kept for kept in (_microsoft(archive), _kaggle(archive)) if kept]


def _microsoft(archive: Archive) -> Kept | None:
    images: Images = {}
    left_out = []
    for file in archive.files:
        if not (match := _MICROSOFT.fullmatch(file)):
            continue
        name, label = f"PetImages/{match[1]}/{match[2]}", CLASSES.index(match[1].lower())
        number = re.fullmatch(r"(\d+)\.jpg", match[2])
        if number:
            images[label, int(number[1]), file] = (name, file, label)
        elif match[2].lower() == "thumbs.db":
            left_out.append((name, "it is no photograph, but Windows' list of thumbnails"))
        else:
            left_out.append((name, "its name is not that of a photograph, such as 0.jpg"))
    return (images, left_out) if images else None


def _kaggle(archive: Archive) -> Kept | None:
    images: Images = {}
    for file in archive.files:
        if match := _KAGGLE.fullmatch(file):
            label = CLASSES.index(match[1])
            name = f"train/{match[1]}.{match[2]}.jpg"
            images[label, int(match[2]), file] = (name, file, label)
    return (images, []) if images else None


def _unlabelled(archive: Archive) -> str:
    if any(map(_UNLABELLED.fullmatch, archive.files)):
        return " (Photographs without cat or dog in their names, as in test1.zip, have no labels.)"
    return ""
