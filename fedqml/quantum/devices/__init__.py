"""Devices: each file's factory returns a function that evaluates circuits."""

from fedqml.quantum.device import Device
from fedqml.quantum.devices.density import density
from fedqml.quantum.devices.parameter_shift import parameter_shift
from fedqml.quantum.devices.pennylane import pennylane
from fedqml.quantum.devices.qulacs import qulacs
from fedqml.quantum.devices.reference import reference
from fedqml.quantum.devices.sampled import sampled
from fedqml.quantum.devices.spsa import spsa
from fedqml.quantum.devices.statevector import statevector
from fedqml.quantum.devices.trajectories import trajectories

__all__ = [
    "Device",
    "density",
    "parameter_shift",
    "pennylane",
    "qulacs",
    "reference",
    "sampled",
    "spsa",
    "statevector",
    "trajectories",
]
