"""Small sets of images in the layouts in which the real ones are offered."""

import hashlib
import struct
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from fedqml.data import known_files

ROWS = 40
"""Images of each batch of the small CIFAR-10."""


def python2_pickle(value):
    """Return a pickle as Python 2 and its NumPy wrote it, protocol 2: CIFAR-10's form."""
    return b"\x80\x02" + _pickled(value) + b"."


def _pickled(value):
    if isinstance(value, bytes):
        short = len(value) < 256
        return (b"U%c" % len(value) if short else b"T" + struct.pack("<i", len(value))) + value
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_pickled, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_pickled(part) for item in value.items() for part in item) + b"u"
    shape = b"(" + b"".join(map(_pickled, value.shape)) + b"t"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
    dtype += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return start + b"(K\x01" + shape + dtype + b"\x89" + _pickled(value.tobytes()) + b"tb"


def batches():
    """Return labels and pixels of each batch, ten classes in turn, the same at every call."""
    rng = np.random.Generator(np.random.Philox(5))
    labels = [(np.arange(ROWS) + i) % 10 for i in range(len(known_files.CIFAR10_BATCHES))]
    pixels = rng.integers(256, size=(len(labels), ROWS, 3072), dtype=np.uint8)
    return {name: (labels[i], pixels[i]) for i, name in enumerate(known_files.CIFAR10_BATCHES)}


def cifar10_python():
    """Return the files of ``cifar-10-python.tar.gz``, small."""
    files = {"cifar-10-batches-py/readme.html": b"x", "cifar-10-batches-py/batches.meta": b"x"}
    for name, (labels, pixels) in batches().items():
        batch = {
            b"batch_label": b"batch",
            b"labels": labels.tolist(),
            b"data": pixels,
            b"filenames": [b"a_s_%06d.png" % i for i in range(ROWS)],
        }
        files[f"cifar-10-batches-py/{name}"] = python2_pickle(batch)
    return files


def cifar10_binary():
    """Return the files of ``cifar-10-binary.tar.gz``, small."""
    files = {"cifar-10-batches-bin/batches.meta.txt": b"airplane\n"}
    for name, (labels, pixels) in batches().items():
        records = np.concatenate([labels[:, None].astype(np.uint8), pixels], axis=1)
        files[f"cifar-10-batches-bin/{name}.bin"] = records.tobytes()
    return files


def make_official(monkeypatch, binary=b""):
    """Let the small sets' checksums be the official ones."""
    files = cifar10_python()
    sums = {
        name: hashlib.md5(files[f"cifar-10-batches-py/{name}"]).hexdigest()
        for name in known_files.CIFAR10_BATCHES
    }
    official = replace(known_files.CIFAR10_BINARY, md5=hashlib.md5(binary).hexdigest())
    monkeypatch.setattr(known_files, "CIFAR10_BATCHES", sums)
    monkeypatch.setattr(known_files, "CIFAR10_ROWS", ROWS)
    monkeypatch.setattr(known_files, "CIFAR10_BINARY", official)


def photo(number, mode="RGB", kind="JPEG", size=(30, 20)):
    """Return a photograph: the red of its pixels is its number times six."""
    image = Image.new("RGB", size, (min(6 * number, 255), 100, 200)).convert(mode)
    content = BytesIO()
    image.save(content, kind)
    return content.getvalue()


def microsoft(count=20):
    """Return the files of Microsoft's archive, small, with all that is wrong with the real one."""
    files = {"CDLA-Permissive-2.0.pdf": b"x", "readme[1].txt": b"x"}
    for kind, shift in (("Cat", 0), ("Dog", count)):
        for i in range(count):
            files[f"PetImages/{kind}/{i}.jpg"] = photo(shift + i)
        files[f"PetImages/{kind}/Thumbs.db"] = b"\xd0\xcf\x11\xe0"
    files["PetImages/Cat/3.jpg"] = b""
    files["PetImages/Cat/4.jpg"] = photo(4, "L")
    files["PetImages/Cat/5.jpg"] = photo(5, "CMYK")
    files["PetImages/Cat/6.jpg"] = photo(6, kind="BMP")  # named .jpg all the same
    files["PetImages/Dog/3.jpg"] = photo(count + 3, size=(200, 200))[:700]
    files["PetImages/Dog/4.jpg"] = b"<html>not found</html>"
    return files


def kaggle(count=20):
    """Return the files of Kaggle's ``train.zip``, small."""
    return {
        f"train/{kind}.{i}.jpg": photo(shift + i)
        for kind, shift in (("cat", 0), ("dog", count))
        for i in range(count)
    }
