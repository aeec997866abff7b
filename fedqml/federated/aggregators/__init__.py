"""Rules that make one update of a cohort's: a file each."""

from fedqml.federated.aggregators.mean import mean

__all__ = ["mean"]
