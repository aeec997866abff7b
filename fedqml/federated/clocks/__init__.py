"""Clocks: when clients arrive, and when the server steps: a file each."""

from fedqml.federated.clocks.asynchronous import asynchronous
from fedqml.federated.clocks.synchronous import synchronous

__all__ = ["asynchronous", "synchronous"]
