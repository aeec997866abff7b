"""The server's optimisers, which make a step of an aggregate: a file each."""

from fedqml.federated.optimisers.adagrad import adagrad
from fedqml.federated.optimisers.adam import adam
from fedqml.federated.optimisers.momentum import momentum
from fedqml.federated.optimisers.yogi import yogi

__all__ = ["adagrad", "adam", "momentum", "yogi"]
