"""Rules that say which client holds which rows: a file each."""

from fedqml.data.partitions.by_owner import by_owner
from fedqml.data.partitions.central import central
from fedqml.data.partitions.iid import iid

__all__ = ["by_owner", "central", "iid"]
