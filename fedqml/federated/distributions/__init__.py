"""How durations are spread, as quantile functions: a file each."""

from fedqml.federated.distributions.exponential import exponential
from fedqml.federated.distributions.lognormal import lognormal
from fedqml.federated.distributions.uniform import uniform

__all__ = ["exponential", "lognormal", "uniform"]
