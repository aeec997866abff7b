"""What clients may send instead of their updates, each knowing its own only: a file each."""

from fedqml.federated.attacks.constant import constant
from fedqml.federated.attacks.free_rider import free_rider
from fedqml.federated.attacks.gaussian import gaussian
from fedqml.federated.attacks.model_replacement import model_replacement
from fedqml.federated.attacks.sign_flip import sign_flip

__all__ = ["constant", "free_rider", "gaussian", "model_replacement", "sign_flip"]
