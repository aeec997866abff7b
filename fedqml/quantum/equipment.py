"""What a client's hardware does with a model's circuits."""

from copy import deepcopy
from dataclasses import dataclass

from torch import nn

from fedqml.core.errors import InputError
from fedqml.quantum.cutting import cut
from fedqml.quantum.device import Device
from fedqml.quantum.layer import QuantumLayer


@dataclass(frozen=True)
class On:
    """The change of a model that puts all its circuits on a client's hardware; see ``on``.

    Attributes:
        device: the device; None for the model's own.
        layers: how many layers of each circuit are executed; None for all.
        qubits: how many qubits of each circuit there are; None for all.
    """

    device: Device | None
    layers: int | None
    qubits: int | None

    def __call__(self, model: nn.Module) -> nn.Module:
        """Return a copy of the model for the hardware.

        Raises:
            InputError: if the model has no quantum layer, or one that cannot be cut so.
        """
        copy = deepcopy(model)
        layers = [child for child in copy.modules() if isinstance(child, QuantumLayer)]
        if not layers:
            raise InputError("The model has no quantum layer that could run on a device.")
        for layer in layers:
            if self.device is not None:
                layer.device = self.device
            if self.layers is not None or self.qubits is not None:
                layer.circuit = cut(layer.whole, self.layers, self.qubits)
        return copy


def on(device: Device | None = None, layers: int | None = None, qubits: int | None = None) -> On:
    """Return the change of a model that puts all its circuits on a client's hardware.

    Args:
        device: the device; None for the model's own.
        layers: hardware that keeps its state for less long executes the first layers only; None
            for all.
        qubits: smaller hardware has the first qubits only, and leaves out gates on others; None
            for all.

    Returns:
        A function from a model to a copy for that hardware; ``Task`` takes one for each client
        whose hardware is not that of the others. Weights that a part of a circuit does not read
        stay in the copy and have the gradient 0.

    Example:
        >>> from fedqml.quantum import ansatze, devices, encodings
        >>> layer = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2))
        >>> on(devices.reference())(layer).device == devices.reference()
        True
        >>> on(layers=1)(layer).circuit.n_weights, len(layer.weights)
        (6, 12)
    """
    return On(device, layers, qubits)
