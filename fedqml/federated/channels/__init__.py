"""What may happen to updates on their way to the server: a file each."""

from fedqml.federated.channels.bit_errors import bit_errors
from fedqml.federated.channels.lossy_link import lossy_link
from fedqml.federated.channels.noisy_uplink import noisy_uplink

__all__ = ["bit_errors", "lossy_link", "noisy_uplink"]
