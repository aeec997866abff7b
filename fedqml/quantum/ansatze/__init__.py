"""Ansätze: each file's factory returns a circuit that reads the weights."""

from fedqml.quantum.ansatze.basic_entangling import basic_entangling
from fedqml.quantum.ansatze.brickwork import brickwork
from fedqml.quantum.ansatze.hardware_efficient import hardware_efficient
from fedqml.quantum.ansatze.rot_cnot import rot_cnot
from fedqml.quantum.ansatze.strongly_entangling import strongly_entangling

__all__ = [
    "basic_entangling",
    "brickwork",
    "hardware_efficient",
    "rot_cnot",
    "strongly_entangling",
]
