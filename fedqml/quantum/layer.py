"""A circuit as a PyTorch module."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedqml.core.errors import require
from fedqml.core.keyed import Keyed
from fedqml.quantum.choices import require_choice
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Device, check_arguments
from fedqml.quantum.devices.statevector import or_statevector


class QuantumLayer(Keyed):
    """A layer whose outputs are expectation values ⟨P⟩ of a circuit.

    The circuit is the encoding followed by the ansatz. Both read the same inputs; the ansatz has
    weights of its own, behind those of the encoding, if that has any. The layer evaluates the
    weights it is called with, so ``torch.func.functional_call``, ``vmap`` and ``grad`` treat it
    like any other module.

    Args:
        encoding: reads the inputs; measures nothing.
        ansatz: reads the weights; measures nothing; as many qubits.
        measure: Pauli words such as ``"X0 Y2"``, or a number k for ⟨Z⟩ of the first k qubits;
            None for ⟨Z⟩ of every qubit.
        readout: ``"expectation"`` is ⟨P⟩; ``"probability"`` is that of the outcome +1, (1 + ⟨P⟩)/2.
        device: what evaluates the circuit; None for ``statevector``. If it is random, a call
            outside of a federation draws its key from PyTorch's generator, as dropout does.

    Attributes:
        circuit: what is evaluated: ``whole``, or a part of it on a client's smaller hardware.
        whole: the circuit that reads all inputs and weights.

    Raises:
        InputError: if the circuits do not fit each other, or ``measure`` or ``readout`` is not
            allowed.

    Example:
        >>> from fedqml.quantum import ansatze, encodings
        >>> layer = QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(4, depth=2), measure=2)
        >>> layer(torch.zeros(32, 4)).shape
        torch.Size([32, 2])
        >>> layer
        QuantumLayer(qubits=4, in_features=4, out_features=2, weights=24, measure='Z0, Z1', \
readout=expectation)
    """

    def __init__(
        self,
        encoding: Circuit,
        ansatz: Circuit,
        measure: int | Sequence[str] | None = None,
        readout: Literal["expectation", "probability"] = "expectation",
        device: Device | None = None,
    ) -> None:
        super().__init__()
        require_choice("readout", readout, ("expectation", "probability"))
        for name, part in (("encoding", encoding), ("ansatz", ansatz)):
            words = [str(observable) for observable in part.observables]
            require(not words, f"{name}.observables", words, "be empty: `measure` names them")
        whole = encoding + ansatz.renumber(weights=encoding.n_weights)
        self.circuit = self.whole = whole.measure(*_words(measure, whole.n_qubits))
        self.readout = readout
        self.device = or_statevector(device)
        self.in_features = self.circuit.n_inputs
        self.out_features = len(self.circuit.observables)
        self.weights = nn.Parameter(torch.empty(self.circuit.n_weights))
        self.reset_parameters()

    @classmethod
    def from_circuit(
        cls,
        circuit: Circuit,
        readout: Literal["expectation", "probability"] = "expectation",
        device: Device | None = None,
    ) -> "QuantumLayer":
        """Return a layer of a whole circuit and what it measures.

        Args:
            circuit: reads inputs and weights; measures at least one observable.
            readout: as for the layer.
            device: as for the layer.

        Returns:
            The layer.

        Raises:
            InputError: if nothing is measured or ``readout`` is not allowed.

        Example:
            >>> from fedqml.quantum.encodings import arctan
            >>> QuantumLayer.from_circuit(arctan(2).measure("X0 Z1")).out_features
            1
        """
        words = [str(observable) for observable in circuit.observables]
        require(bool(words), "circuit.observables", words, "have at least one entry")
        return cls(circuit.measure(), Circuit(circuit.n_qubits, ()), words, readout, device)

    @property
    def random(self) -> bool:
        """Whether the device draws random numbers: all weights and inputs equal, results differ."""
        return self.device.random

    def reset_parameters(self) -> None:
        """Draw the weights uniformly from [0, 2π), as PyTorch's modules do from its generator.

        Example:
            >>> from fedqml.quantum import ansatze, encodings
            >>> layer = QuantumLayer(encodings.arctan(), ansatze.rot_cnot())
            >>> layer.reset_parameters()
            >>> bool((0 <= layer.weights).all() and (layer.weights <= 2 * torch.pi).all())
            True
        """
        nn.init.uniform_(self.weights, 0.0, 2 * math.pi)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch observables"]:
        """Return the readout for every example.

        Args:
            x: the inputs, no unit; (*batch, in_features).

        Returns:
            (*batch, out_features), between -1 and 1 for expectations, 0 and 1 for probabilities.

        Raises:
            InputError: if ``x`` or the weights have a wrong shape, or not the same precision.

        Example:
            >>> from fedqml.quantum import ansatze, encodings
            >>> plain = encodings.arctan(1, hadamard=False)
            >>> layer = QuantumLayer(plain, ansatze.rot_cnot(1, depth=1))
            >>> torch.func.functional_call(layer, {"weights": torch.zeros(3)}, torch.zeros(1))
            tensor([1.])
        """
        key = self.next_key() if self.device.random else None
        w: Tensor = self.weights
        if self.circuit is not self.whole:
            check_arguments(self.whole, x, w)
            x, w = x[..., : self.circuit.n_inputs], w[: self.circuit.n_weights]
        values = self.device(self.circuit, x, w, key)
        return values if self.readout == "expectation" else (1 + values) / 2

    def extra_repr(self) -> str:
        """Return what distinguishes this layer, for ``print``."""
        words = ", ".join(str(observable) for observable in self.circuit.observables)
        return (
            f"qubits={self.circuit.n_qubits}, in_features={self.in_features}, "
            f"out_features={self.out_features}, weights={self.circuit.n_weights}, "
            f"measure={words!r}, readout={self.readout}"
        )


def _words(measure: int | Sequence[str] | None, n_qubits: int) -> Sequence[str]:
    """Return the Pauli words that ``measure`` means."""
    if measure is None:
        measure = n_qubits
    if isinstance(measure, int):
        allowed = f"be from 1 to the number of qubits, {n_qubits}"
        require(1 <= measure <= n_qubits, "measure", measure, allowed)
        return [f"Z{qubit}" for qubit in range(measure)]
    # a single text is a sequence, too, of its letters
    listed = not isinstance(measure, str) and len(measure) > 0
    require(listed, "measure", measure, "be a number of qubits or a list of Pauli words")
    return measure
