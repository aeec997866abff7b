"""Rules that make one update of a cohort's: a file each."""

from fedqml.federated.aggregators.fednova import fednova
from fedqml.federated.aggregators.mean import mean
from fedqml.federated.aggregators.scaffold import scaffold

__all__ = ["fednova", "mean", "scaffold"]
