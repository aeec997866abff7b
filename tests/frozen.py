"""Images and small frozen networks for tests; also run by processes that tests start and kill."""

import hashlib
import io
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from fedqml.data import feature_cache
from fedqml.data.backbone import Backbone
from fedqml.data.pictures import About, Pictures, Unreadable

REAL = Path("../shared/data")


def pictures(count=40, side=(9, 7), broken=(), tests=8, may_show=True, seed=0):
    """Return random images of two classes in turn; those in ``broken`` cannot be read."""
    rng = np.random.Generator(np.random.Philox(seed))
    pixels = rng.integers(256, size=(count, side[1], side[0], 3), dtype=np.uint8)

    def read(index):
        if index in broken:
            raise Unreadable(f"cut off after {index} bytes")
        return Image.fromarray(pixels[index])

    return Pictures(
        names=tuple(f"{'cd'[i % 2]}{i}.png" for i in range(count)),
        labels=np.arange(count) % 2,
        tests=tests,
        classes=("cat", "dog"),
        read=read,
        digest=hashlib.sha256(pixels.tobytes() + str(broken).encode()).hexdigest(),
        about=About("made for tests", "https://example.org", "CC0", may_show),
    )


class Small(nn.Module):
    """A convolution of fixed weights; says in a file how many images it saw.

    Takes its time for each batch, and before it answers the third waits for a file ``gate``.
    """

    def __init__(self, log=None, seconds=0.0, factor=1.0, gate=None):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.conv.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * factor)
        self.log, self.seconds, self.gate, self.calls = log, seconds, gate, 0

    def forward(self, x):
        if self.log:
            with open(self.log, "a") as file:
                print(len(x), file=file)
        self.calls += 1
        while self.gate and self.calls == 3 and not self.gate.exists():
            time.sleep(0.01)
        time.sleep(self.seconds)
        return self.conv(x).amax((2, 3))[..., None]


def small(log=None, seconds=0.0, factor=1.0, batch=3, gate=None, **settings):
    return Backbone(
        title="Small",
        prepare=lambda image: np.asarray(image).transpose(2, 0, 1),
        network=lambda: Small(log, seconds, factor, gate).eval(),
        shape=(5, 1),
        batch=batch,
        settings={"network": "small", **settings},
    )


def random_vgg16(path, factor=1.0, **changes):
    """Write random weights with the names and shapes of VGG16; ``changes`` replace tensors."""
    generator = torch.Generator().manual_seed(1)
    tensors, channels, index = {}, 3, 0
    for block in ([64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3):
        for out in block:
            spread = factor * (2 / (9 * channels)) ** 0.5
            weight = torch.randn(out, channels, 3, 3, generator=generator) * spread
            tensors[f"features.{index}.weight"] = weight
            tensors[f"features.{index}.bias"] = torch.randn(out, generator=generator) * 0.1
            channels, index = out, index + 2
        index += 1
    tensors.update(changes.pop("more", {}))
    for name in changes.pop("without", ()):
        del tensors[name]
    save = save_file if path.suffix == ".safetensors" else (lambda t, p: torch.save(t, p))
    save(tensors, path)
    return tensors


def planes_cars(train, test):
    """Return so many real images of each class, or skip the test."""
    import pytest

    archive = REAL / "planes_cars_jpeg.tar.gz"
    if not archive.is_file():
        pytest.skip(f"needs {archive}")
    taken, names, labels, files = {}, [], [], []
    with tarfile.open(archive) as tar:
        members = sorted((m for m in tar if m.isfile()), key=lambda m: ("test/" in m.name, m.name))
        for member in members:
            part, name = member.name.split("/")[-3:-1]
            taken[part, name] = taken.get((part, name), 0) + 1
            if taken[part, name] <= (train if part == "train" else test):
                names.append(member.name)
                labels.append(int(name == "automobile"))
                files.append(tar.extractfile(member).read())
    return Pictures(
        tuple(names),
        np.array(labels),
        2 * test,
        ("airplane", "automobile"),
        lambda i: Image.open(io.BytesIO(files[i])).convert("RGB"),
        hashlib.sha256(b"".join(files)).hexdigest(),
        About("planes and cars"),
    )


if __name__ == "__main__":
    feature_cache._SYNC_EVERY = 0.0
    feature_cache.cached_features(
        pictures(broken=(4, 33)), small(sys.argv[1], gate=Path(sys.argv[2]))
    )
