"""The convolutions of VGG16."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from fedqml.core.errors import InputError, require, whole
from fedqml.data.backbone import Backbone
from fedqml.data.download import download
from fedqml.data.known_files import VGG16, VGG16_CAFFE, VGG16_ORIGINAL
from fedqml.data.squares import channels_first, cropped, stretched
from fedqml.data.weights import file_digest, read_weights, weights_file


@dataclass(frozen=True)
class _Colours:
    """``(pixels / unit - mean) / deviation`` of each channel, in the order that weights want."""

    words: str
    order: tuple[int, int, int]
    unit: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)


_COLOURS = {
    "torchvision": _Colours(
        "RGB, 0 to 1, minus (0.485, 0.456, 0.406), over (0.229, 0.224, 0.225)",
        (0, 1, 2),
        255.0,
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
    ),
    "caffe": _Colours(
        "BGR, 0 to 255, minus (103.939, 116.779, 123.68)",
        (2, 1, 0),
        1.0,
        (103.939, 116.779, 123.68),
    ),
    # The Caffe network as SSD's authors turned it around: torchvision gives these numbers with it.
    "ssd": _Colours(
        "RGB, 0 to 255, minus (123, 117, 104)",
        (0, 1, 2),
        1.0,
        (0.48235 * 255, 0.45882 * 255, 0.40784 * 255),
    ),
}

# By the digits in their names where no more are known: as many as PyTorch itself checks.
_KNOWN = {
    VGG16.sha256: "torchvision",
    VGG16_CAFFE.sha256: "ssd",
    VGG16_ORIGINAL.sha256: "caffe",
}
_CACHED = (VGG16.name, VGG16_CAFFE.name)

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# So many pixels in a batch keep all cores busy while the maps still fit the memory.
_PIXELS = 16 * 224 * 224
# So many go through the layers together: the first map then takes less than 32 MiB, which glibc
# uses again, while it takes larger ones anew from the system, page by page, in every layer.
_TOGETHER = 2 * 224 * 224


def vgg16(
    weights: Literal["auto", "download"] | Path = "auto",
    size: int = 224,
    scale: float = 1.0,
    preprocessing: Literal["auto", "torchvision", "caffe", "ssd"] = "auto",
    resize: Literal["crop", "stretch"] = "crop",
) -> Backbone:
    """Return VGG16 up to its last max-pooling, with weights from ImageNet.

    Thirteen convolutions of 3 x 3 with ReLU and five max-poolings of 2 x 2: the part of the network
    that transfer learning keeps. Features have shape ``(512, size // 32, size // 32)``, that is
    (512, 7, 7) for 224 and (512, 1, 1) for 32, and no unit. Weights are known by the file's
    SHA-256, and with them how they want colours:

    - ``torchvision``: ``vgg16-397923af.pth``;
    - ``ssd``: ``vgg16_features-amdegroot-88682ab5.pth``, the authors' own weights as torchvision
      offers them for SSD, with red first;
    - ``caffe``: the authors' own weights as they published them, with blue first. Features of
      these and the former are about 58 times larger than of torchvision's: see ``scale``.

    Args:
        weights: a file ``.pth`` or ``.safetensors`` with tensors named as torchvision names them
            (``features.0.weight`` ...); "auto" for torchvision's file, or else that for SSD, in
            PyTorch's own cache (``torch.hub.get_dir()``); "download" for the first of these,
            fetched once, which ``fedqml data vgg16`` shows with its size.
        size: side of the square that the network sees, in pixels, 32 or more.
        scale: what features are multiplied by.
        preprocessing: how colours are prepared; "auto" by the SHA-256 of the weights.
        resize: "crop" resizes the shorter side to ``size * 256 // 224`` and keeps the middle, as
            torchvision does; "stretch" does not keep the aspect ratio. Either leaves a square
            image of side ``size`` as it is.

    Raises:
        InputError: if there are no weights, they are those of another network, damaged, or
            unknown while ``preprocessing`` is "auto"; or if a setting is out of range.

    Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
        Recognition", arXiv:1409.1556, table 1, configuration D.
    """
    size = whole("size", size, least=32)
    require(0 < abs(scale) < float("inf"), "scale", scale, "be a finite number other than 0")
    modes = ("auto", *_COLOURS)
    require(preprocessing in modes, "preprocessing", preprocessing, f"be one of {modes}")
    require(resize in ("crop", "stretch"), "resize", resize, "be 'crop' or 'stretch'")
    path = _find(weights)
    digest = file_digest(path)
    colours = _colours(path, digest, preprocessing)
    tensors = read_weights(path, "VGG16", _shapes(), beside=("classifier.",))
    return Backbone(
        title="VGG16",
        prepare=partial(_prepare, size=size, resize=resize),
        network=partial(_network, tensors, colours, scale),
        shape=(512, size // 32, size // 32),
        batch=min(256, max(1, _PIXELS // size**2)),
        settings={
            "network": "vgg16",
            "layer": "last max-pooling",
            "weights": digest,
            "preprocessing": _COLOURS[colours].words,
            "size": size,
            "resize": _words(size, resize),
            "scale": scale,
        },
    )


def gigaflops(size: int) -> float:
    """Return the operations of all convolutions for one image: ``2 * 9 * in * out * pixels``.

    Example:
        >>> round(gigaflops(224), 1)
        30.7
    """
    count, channels, side = 0, 3, size
    for block in _BLOCKS:
        for out in block:
            count += 2 * 9 * channels * out * side**2
            channels = out
        side //= 2
    return count / 1e9


def _find(weights: str | Path) -> Path:
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    if weights == "download":
        return download(VGG16.url, cache / VGG16.name, VGG16.sha256)
    if weights != "auto":
        return weights_file(Path(weights))
    for name in _CACHED:
        if (cache / name).is_file():
            return cache / name
    raise InputError(
        f"The weights of VGG16 are missing: neither {' nor '.join(_CACHED)} is in {cache}. Give "
        f'their path as `weights`, or weights="download" to fetch the first of them ({VGG16.size}) '
        f"from {VGG16.url}."
    )


def _colours(path: Path, digest: str, preprocessing: str) -> str:
    known = next((mode for start, mode in _KNOWN.items() if digest.startswith(start)), None)
    if path.name in _CACHED and known is None:
        raise InputError(
            f"File {path} must have a SHA-256 that begins as its name says, but it is {digest}: "
            'the file is damaged or another one. Delete it; weights="download" fetches it anew.'
        )
    if preprocessing == "auto" and known is None:
        raise InputError(
            f"Argument `preprocessing` must be one of {', '.join(_COLOURS)} for weights that are "
            f"not known by their SHA-256, as those of {path} ({digest})."
        )
    return known or preprocessing if preprocessing == "auto" else preprocessing


def _words(size: int, resize: str) -> str:
    if resize == "stretch":
        return f"stretched to {size} x {size}, bilinear; not if of that size"
    return (
        f"shorter side to {size * 256 // 224}, bilinear, middle {size} x {size}; "
        "not if of that size"
    )


def _prepare(image: Image.Image, size: int, resize: str) -> UInt8[np.ndarray, "3 size size"]:
    return channels_first((cropped if resize == "crop" else stretched)(image, size))


def _shapes() -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.{part}": tuple(tensor.shape)
        for name, module in _Network("caffe", 1.0, torch.device("meta")).named_modules()
        if isinstance(module, nn.Conv2d)
        for part, tensor in module.named_parameters()
    }


def _network(tensors: dict[str, Tensor], colours: str, scale: float) -> nn.Module:
    network = _Network(colours, scale, torch.device("cpu"))
    network.load_state_dict(tensors)
    network.requires_grad_(False).eval()
    if torch.backends.mkldnn.is_available():
        layers = (_Blocked(x) if isinstance(x, nn.Conv2d) else x for x in network.features)
        network.features = nn.Sequential(*layers)
        network.blocked = True
    return network


class _Blocked(nn.Module):
    """A convolution between maps in oneDNN's own layout, which is not converted between layers.

    On maps of 2 x 2 it is three times as quick as with channels last.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        weight, bias = (p.detach().to_mkldnn() for p in convolution.parameters())
        # Else weights would be put into that layout in every call.
        reorder = torch._C._nn.mkldnn_reorder_conv2d_weight
        self._weight, self._bias = reorder(weight, [1, 1], [1, 1], [1, 1], 1), bias

    def forward(self, maps: Tensor) -> Tensor:
        return torch.conv2d(maps, self._weight, self._bias, padding=1)


class _Network(nn.Module):
    def __init__(self, colours: str, scale: float, device: torch.device) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block in _BLOCKS:
            for out in block:
                layers += [
                    nn.utils.skip_init(nn.Conv2d, channels, out, 3, padding=1, device=device),
                    nn.ReLU(inplace=True),
                ]
                channels = out
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.colours, self.scale = _COLOURS[colours], scale
        self.blocked = False

    def forward(
        self, pixels: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 512 rows columns"]:
        together = max(1, _TOGETHER // pixels[0, 0].numel())
        return torch.cat([self._features(part) for part in pixels.split(together)])

    def _features(self, pixels: Tensor) -> Tensor:
        mean = pixels.new_tensor(self.colours.mean)[:, None, None]
        deviation = pixels.new_tensor(self.colours.deviation)[:, None, None]
        ordered = pixels[:, list(self.colours.order)] / self.colours.unit
        maps = (ordered - mean) / deviation
        return self.features(maps.to_mkldnn() if self.blocked else maps).to_dense() * self.scale
