"""Devices: each file's factory returns a function that evaluates circuits."""

from fedqml.quantum.device import Device
from fedqml.quantum.devices.reference import reference

__all__ = ["Device", "reference"]
