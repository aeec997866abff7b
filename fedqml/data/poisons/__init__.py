"""What attackers do to the data that they train on: a file each."""

from fedqml.data.poisons.backdoor import backdoor
from fedqml.data.poisons.label_flip import label_flip

__all__ = ["backdoor", "label_flip"]
