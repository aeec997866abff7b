"""Models: a factory each, from the data's shape and classes to a torch module."""

from fedqml.models.dense_vqc import dense_vqc

__all__ = ["dense_vqc"]
