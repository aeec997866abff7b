"""What clients may send who know the honest updates: a file each."""

from fedqml.federated.collusions.alie import alie
from fedqml.federated.collusions.ipm import ipm
from fedqml.federated.collusions.mimic import mimic

__all__ = ["alie", "ipm", "mimic"]
