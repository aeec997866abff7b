"""Encodings: each file's factory returns a circuit that reads the inputs."""

from fedqml.quantum.encodings.arctan import arctan

__all__ = ["arctan"]
