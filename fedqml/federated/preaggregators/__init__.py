"""Rules for a cohort's updates before an aggregator: a file each."""

from fedqml.federated.preaggregators.bucketing import bucketing
from fedqml.federated.preaggregators.fedasync import fedasync
from fedqml.federated.preaggregators.nearest_neighbour_mixing import nearest_neighbour_mixing
from fedqml.federated.preaggregators.staleness_scaling import staleness_scaling

__all__ = ["bucketing", "fedasync", "nearest_neighbour_mixing", "staleness_scaling"]
