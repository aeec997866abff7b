"""Parts of circuits and devices that an experiment file can name as settings of something else."""

from collections.abc import Callable
from typing import Annotated

from fedqml.core.resolve import Plugin
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Device

Encoding = Annotated[Callable[..., Circuit], Plugin("fedqml.quantum.encodings", ("qubits",))]
"""A function of ``qubits`` that returns the circuit which reads the inputs."""
Ansatz = Annotated[Callable[..., Circuit], Plugin("fedqml.quantum.ansatze", ("qubits",))]
"""A function of ``qubits`` that returns the circuit which reads the weights."""
InnerDevice = Annotated[Device, Plugin("fedqml.quantum.devices")] | None
"""The device that another one is built on; None for ``statevector``."""
