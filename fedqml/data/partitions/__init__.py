"""Rules that say which client holds which rows: a file each."""

from fedqml.data.partitions.by_owner import by_owner
from fedqml.data.partitions.central import central
from fedqml.data.partitions.dirichlet import dirichlet
from fedqml.data.partitions.feature_noise import feature_noise
from fedqml.data.partitions.iid import iid
from fedqml.data.partitions.k_classes import k_classes
from fedqml.data.partitions.power_law import power_law
from fedqml.data.partitions.quantity_skew import quantity_skew
from fedqml.data.partitions.shards import shards

__all__ = [
    "by_owner",
    "central",
    "dirichlet",
    "feature_noise",
    "iid",
    "k_classes",
    "power_law",
    "quantity_skew",
    "shards",
]
