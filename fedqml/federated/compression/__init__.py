"""Rules by which clients send fewer bytes: a file each."""

from fedqml.federated.compression.quantise import quantise
from fedqml.federated.compression.top_k import top_k

__all__ = ["quantise", "top_k"]
