"""Devices: each file's factory returns a function that evaluates circuits."""

from fedqml.quantum.device import Device
from fedqml.quantum.devices.reference import reference
from fedqml.quantum.devices.statevector import statevector

__all__ = ["Device", "reference", "statevector"]
