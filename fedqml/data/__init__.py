"""Data, how it is split over clients, and what is learned from it."""

from fedqml.data import backbones, partitions, sources
from fedqml.data.dataset import Data, FederatedData
from fedqml.data.shares import Partition, Shares

__all__ = [
    "Data",
    "FederatedData",
    "Partition",
    "Shares",
    "backbones",
    "partitions",
    "sources",
]
