"""Noise as data: which channels act after which gates, and how measurements misread."""

from fedqml.quantum.noise.channel import Channel
from fedqml.quantum.noise.channels import CHANNELS
from fedqml.quantum.noise.model import Noise
from fedqml.quantum.noise.readout import Readout
from fedqml.quantum.noise.rule import Rule

__all__ = ["CHANNELS", "Channel", "Noise", "Readout", "Rule"]
