"""Encodings: each file's factory returns a circuit that reads the inputs."""

from fedqml.quantum.encodings.amplitude import amplitude
from fedqml.quantum.encodings.angle import angle
from fedqml.quantum.encodings.arctan import arctan
from fedqml.quantum.encodings.iqp import iqp
from fedqml.quantum.encodings.reuploading import reuploading
from fedqml.quantum.encodings.zz import zz

__all__ = ["amplitude", "angle", "arctan", "iqp", "reuploading", "zz"]
