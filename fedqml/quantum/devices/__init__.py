"""Devices: each file's factory returns a function that evaluates circuits."""

from fedqml.quantum.device import Device
from fedqml.quantum.devices.parameter_shift import parameter_shift
from fedqml.quantum.devices.reference import reference
from fedqml.quantum.devices.sampled import sampled
from fedqml.quantum.devices.spsa import spsa
from fedqml.quantum.devices.statevector import statevector

__all__ = ["Device", "parameter_shift", "reference", "sampled", "spsa", "statevector"]
