"""Local rules that an experiment file can name as settings of another."""

from typing import Annotated

from fedqml.core.resolve import Plugin
from fedqml.federated.training import Local

Optimiser = Annotated[Local, Plugin("fedqml.federated.local", from_run=("metric",))]
"""The rule of local training that another is built around."""
