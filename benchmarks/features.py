"""Hold the extraction of VGG16's features against this machine's rate of matrix products.

    python benchmarks/features.py [OUTPUT]

Photos are decoded, go through the network and into the cache, in turn with matrix products on the
same threads, so that a change of the machine's speed meets both; the ratio of rates is taken turn
by turn. The weights are drawn: the time does not depend on them. Writes docs/results/features.md
by default.
"""

import hashlib
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image

from fedqml.core.files import write_atomic
from fedqml.core.threads import cores, threads
from fedqml.data.backbones import vgg16
from fedqml.data.backbones.vgg16 import gigaflops
from fedqml.data.feature_cache import cached_features
from fedqml.data.pictures import About, Pictures
from fedqml.experiments.environment import environment

SIDE, PRODUCTS, TURNS = 1536, 5, 4


def draw_weights(path: Path) -> Path:
    """Write weights of VGG16's shapes as He drew them."""
    generator = torch.Generator().manual_seed(0)
    tensors, channels, index = {}, 3, 0
    for block in ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3):
        for out in block:
            drawn = torch.randn(out, channels, 3, 3, generator=generator)
            tensors[f"features.{index}.weight"] = drawn * (2 / (9 * channels)) ** 0.5
            tensors[f"features.{index}.bias"] = torch.zeros(out)
            channels, index = out, index + 2
        index += 1
    torch.save(tensors, path)
    return path


def photos(count: int, width: int, height: int) -> Pictures:
    """Return JPEG files of smooth noise, kept in memory."""
    rng = np.random.Generator(np.random.Philox(0))
    files = []
    for _ in range(count):
        coarse = rng.integers(256, size=(9, 12, 3), dtype=np.uint8)
        file = BytesIO()
        Image.fromarray(coarse).resize((width, height)).save(file, format="JPEG", quality=90)
        files.append(file.getvalue())

    def read(index: int) -> Image.Image:
        return Image.open(BytesIO(files[index])).convert("RGB")

    return Pictures(
        tuple(map(str, range(count))),
        np.arange(count) % 2,
        count // 2,
        ("a", "b"),
        read,
        hashlib.sha256(b"".join(files)).hexdigest(),
        About("photos"),
    )


def product_rate() -> float:
    """Return the best of some products of matrices, in GF/s."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(SIDE, SIDE, generator=generator) for _ in range(2))
    best = 0.0
    with threads(cores()):
        for _ in range(PRODUCTS):
            started = time.perf_counter()
            a @ b
            best = max(best, 2 * SIDE**3 / 1e9 / (time.perf_counter() - started))
    return best


def row(weights: Path, size: int, count: int, width: int, height: int) -> str:
    """Return a row of the table."""
    backbone = vgg16(weights, size=size, preprocessing="torchvision")
    pictures = photos(count, width, height)
    rates, products, ratios = [], [], []
    before = product_rate()
    for turn in range(TURNS + 1):
        # Another key, hence all is computed again.
        fresh = replace(backbone, settings={**backbone.settings, "turn": turn})
        started = time.perf_counter()
        cached_features(pictures, fresh)
        seconds = time.perf_counter() - started
        after = product_rate()
        if turn:  # the first one warms up
            rates.append(count / seconds)
            products.append((before + after) / 2)
            ratios.append(rates[-1] * gigaflops(size) / products[-1])
        before = after
    return (
        f"| {size} | {width} x {height} | {count} | {statistics.median(rates):.1f} | "
        f"{gigaflops(size):.2f} | {statistics.median(rates) * gigaflops(size):.0f} | "
        f"{statistics.median(products):.0f} | {100 * statistics.median(ratios):.0f} % "
        f"({100 * min(ratios):.0f} to {100 * max(ratios):.0f}) |"
    )


def same_bits(weights: Path) -> str:
    """Return whether the features' bits depend on the number of threads."""
    pixels = torch.from_numpy(
        np.random.Generator(np.random.Philox(1)).integers(256, size=(4, 3, 224, 224))
    ).float()
    network = vgg16(weights, preprocessing="torchvision").network()
    network.to(memory_format=torch.channels_last)
    found = []
    with torch.inference_mode():
        for number in range(1, cores() + 1):
            with threads(number):
                found.append(network(pixels.contiguous(memory_format=torch.channels_last)))
    return "the same" if all(torch.equal(found[0], other) for other in found) else "not the same"


def main() -> None:
    """Write the table."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/features.md")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FEDQML_CACHE"] = folder
        weights = draw_weights(Path(folder) / "weights.pth")
        rows = [row(weights, 224, 64, 500, 375), row(weights, 32, 2048, 32, 32)]
        bits = same_bits(weights)
    found = environment()
    text = f"""# Features of VGG16

Command: `python benchmarks/features.py`. JPEG files are decoded, resized, go through the 13
convolutions and into the cache, on {cores()} threads; the rate in GF/s counts the convolutions
alone. A turn has batches enough that decoding the first one and making the network, once a call,
count little, as with a whole data set. In turn with it, on as many threads, the best of {PRODUCTS}
products of matrices of side {SIDE} (SGEMM); the ratio is that of the same turn, its median and
range over {TURNS} turns.
{found["processor"]}, {found["cores"]} cores, PyTorch {found["torch"]}, Pillow {PIL.__version__},
Python {found["python"]}.

| side | photos | images a turn | images/s | GF an image | GF/s | SGEMM, GF/s | GF/s over SGEMM |
| --: | --: | --: | --: | --: | --: | --: | --: |
{chr(10).join(rows)}

With 1 to {cores()} threads the bits of the features are {bits}.
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    main()
