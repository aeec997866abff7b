"""How a client trains: a file each."""

from fedqml.federated.local.adam import adam
from fedqml.federated.local.ditto import ditto
from fedqml.federated.local.fedprox import fedprox
from fedqml.federated.local.fisher import fisher
from fedqml.federated.local.gradient_variance import gradient_variance
from fedqml.federated.local.personal_layers import personal_layers
from fedqml.federated.local.quantum_natural_gradient import quantum_natural_gradient
from fedqml.federated.local.scaffold import scaffold
from fedqml.federated.local.sgd import sgd

__all__ = [
    "adam",
    "ditto",
    "fedprox",
    "fisher",
    "gradient_variance",
    "personal_layers",
    "quantum_natural_gradient",
    "scaffold",
    "sgd",
]
