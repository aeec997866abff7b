"""All analyses of one circuit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from fedqml.core.errors import require
from fedqml.quantum.analysis.dead_parameters import DeadParameters, dead_parameters
from fedqml.quantum.analysis.entangling_capability import Entanglement, entangling_capability
from fedqml.quantum.analysis.expressibility import Expressibility, expressibility
from fedqml.quantum.analysis.gradient_variance import GradientVariance, gradient_variance
from fedqml.quantum.circuit import Circuit


@dataclass(frozen=True, eq=False)
class Profile:
    """What the analyses of a circuit found.

    Args:
        circuit: the circuit.
        expressibility: one a seed.
        entanglement: one a seed.
        gradients: of all samples of the first seed.
        dead: at the points of the first seed.
    """

    circuit: Circuit
    expressibility: tuple[Expressibility, ...]
    entanglement: tuple[Entanglement, ...]
    gradients: GradientVariance
    dead: DeadParameters

    @property
    def divergences(self) -> Float[np.ndarray, " seeds"]:
        """The expressibility of each seed, nats."""
        return np.array([found.divergence for found in self.expressibility])

    @property
    def entanglements(self) -> Float[np.ndarray, " seeds"]:
        """The entangling capability of each seed."""
        return np.array([found.mean for found in self.entanglement])

    @property
    def fractions(self) -> Float[np.ndarray, " bins"]:
        """The histogram of fidelities, all seeds together."""
        return np.mean([found.fractions for found in self.expressibility], axis=0)

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as plain data.

        Returns:
            A table that JSON can hold.

        Example:
            >>> from fedqml.quantum.ansatze import rot_cnot
            >>> found = profile(rot_cnot(2, depth=1).measure("Z0"), seeds=[0], samples=10)
            >>> found.to_dict()["dead_weights"]["proved"]
            [0, 2, 3, 4, 5]
        """
        return {
            "circuit": self.circuit.to_dict(),
            "expressibility": self.divergences.tolist(),
            "fidelity_fractions": self.fractions.tolist(),
            "fidelity_fractions_haar": self.expressibility[0].haar.tolist(),
            "entangling_capability": self.entanglements.tolist(),
            "entanglement_sd_over_states": [found.sd for found in self.entanglement],
            "gradient_variance": self.gradients.variance.tolist(),
            "gradient_variance_error": self.gradients.error.tolist(),
            "dead_weights": {"proved": list(self.dead.proved), "silent": list(self.dead.silent)},
        }


def profile(circuit: Circuit, seeds: Sequence[int] = (0,), samples: int = 2000) -> Profile:
    """Run all analyses of a circuit.

    Args:
        circuit: measures at least one observable and reads at least one weight.
        seeds: what depends on the sample of states is computed once for each.
        samples: how many pairs of states, states, or points with slopes; at least 2.

    Returns:
        All results.

    Raises:
        InputError: if there is no seed, or an analysis refuses the circuit or the samples.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> profile(rot_cnot(2, depth=1).measure("Z0"), seeds=[0, 1], samples=10).divergences.shape
        (2,)
    """
    require(len(seeds) > 0, "seeds", seeds, "have at least one entry")
    return Profile(
        circuit,
        tuple(expressibility(circuit, pairs=samples, seed=seed) for seed in seeds),
        tuple(entangling_capability(circuit, samples, seed) for seed in seeds),
        gradient_variance(circuit, samples, seeds[0]),
        dead_parameters(circuit, samples, seeds[0]),
    )
