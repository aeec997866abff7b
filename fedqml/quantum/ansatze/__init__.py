"""Ansätze: each file's factory returns a circuit that reads the weights."""

from fedqml.quantum.ansatze.rot_cnot import rot_cnot

__all__ = ["rot_cnot"]
