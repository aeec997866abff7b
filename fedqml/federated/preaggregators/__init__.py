"""Rules that make a cohort's updates more alike before an aggregator: a file each."""

from fedqml.federated.preaggregators.bucketing import bucketing
from fedqml.federated.preaggregators.nearest_neighbour_mixing import nearest_neighbour_mixing

__all__ = ["bucketing", "nearest_neighbour_mixing"]
