"""Frozen networks that turn images into features: a file each."""

from fedqml.data.backbones.efficientnet_lite0 import efficientnet_lite0
from fedqml.data.backbones.vgg16 import vgg16

__all__ = ["efficientnet_lite0", "vgg16"]
