"""How a client trains: a file each."""

from fedqml.federated.local.adam import adam
from fedqml.federated.local.sgd import sgd

__all__ = ["adam", "sgd"]
