"""Models: a factory each, from the data's shape and classes to a torch module."""

from fedqml.models.circuit_only import circuit_only
from fedqml.models.dense_vqc import dense_vqc
from fedqml.models.vgg_vqc import vgg_vqc

__all__ = ["circuit_only", "dense_vqc", "vgg_vqc"]
