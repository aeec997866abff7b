"""What a circuit is worth before it is trained: pure functions of a circuit and a seed."""

from fedqml.quantum.analysis.dead_parameters import DeadParameters, dead_parameters
from fedqml.quantum.analysis.entangling_capability import Entanglement, entangling_capability
from fedqml.quantum.analysis.expressibility import Expressibility, expressibility
from fedqml.quantum.analysis.gradient_variance import GradientVariance, gradient_variance
from fedqml.quantum.analysis.profile import Profile, profile

__all__ = [
    "DeadParameters",
    "Entanglement",
    "Expressibility",
    "GradientVariance",
    "Profile",
    "dead_parameters",
    "entangling_capability",
    "expressibility",
    "gradient_variance",
    "profile",
]
