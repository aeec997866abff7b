"""Circuits as data, devices as functions, and a PyTorch layer that joins them."""

from fedqml.quantum import ansatze, devices, encodings, exchange
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Cost, Device
from fedqml.quantum.equipment import on
from fedqml.quantum.gates import GATES
from fedqml.quantum.layer import QuantumLayer
from fedqml.quantum.maps import MAPS
from fedqml.quantum.noise import Noise
from fedqml.quantum.operation import Op
from fedqml.quantum.pauli import Pauli
from fedqml.quantum.shifts import shift_rule

__all__ = [
    "GATES",
    "MAPS",
    "Angle",
    "Circuit",
    "Cost",
    "Device",
    "Noise",
    "Op",
    "Pauli",
    "QuantumLayer",
    "ansatze",
    "devices",
    "encodings",
    "exchange",
    "on",
    "shift_rule",
]
