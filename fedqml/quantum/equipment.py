"""Which device a model's circuits run on."""

from copy import deepcopy
from dataclasses import dataclass

from torch import nn

from fedqml.core.errors import InputError
from fedqml.quantum.device import Device
from fedqml.quantum.layer import QuantumLayer


@dataclass(frozen=True)
class On:
    """The change of a model that puts all its circuits on a device; see ``on``.

    Attributes:
        device: the device.
    """

    device: Device

    def __call__(self, model: nn.Module) -> nn.Module:
        """Return a copy of the model that runs on the device.

        Raises:
            InputError: if the model has no quantum layer.
        """
        copy = deepcopy(model)
        layers = [child for child in copy.modules() if isinstance(child, QuantumLayer)]
        if not layers:
            raise InputError("The model has no quantum layer that could run on a device.")
        for layer in layers:
            layer.device = self.device
        return copy


def on(device: Device) -> On:
    """Return the change of a model that puts all its circuits on a device.

    Args:
        device: the device.

    Returns:
        A function from a model to a copy on that device; ``Task`` takes one for each client whose
        hardware is not that of the others.

    Example:
        >>> from fedqml.quantum import ansatze, devices, encodings
        >>> layer = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2))
        >>> on(devices.reference())(layer).device == devices.reference()
        True
    """
    return On(device)
