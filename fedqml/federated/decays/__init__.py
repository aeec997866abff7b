"""What a stale update still counts for: a file each."""

from fedqml.federated.decays.hinge import hinge
from fedqml.federated.decays.polynomial import polynomial

__all__ = ["hinge", "polynomial"]
