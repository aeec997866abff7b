"""Any device of PennyLane's: simulators and hardware."""

import inspect
import os
import pickle
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from fedqml.core.errors import InputError, require, whole
from fedqml.core.optional import library, require_library
from fedqml.quantum.angle import evaluate
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Configured, Cost, Device
from fedqml.quantum.devices.parameter_shift import parameter_shift
from fedqml.quantum.exchange.operations import observable, operation
from fedqml.quantum.pauli import measurement_settings

# the entries of density matrices that a simulator may hold at a time, 1 GiB
_ENTRIES = 2**26

_local = threading.local()


def pennylane(
    name: str = "default.qubit",
    shots: int | None = None,
    options: dict[str, Any] | None = None,
) -> Device:
    """Return a device of PennyLane's or one of its plugins, hardware included.

    All examples, with all shifts that their gradients need, are given to PennyLane together, as
    one circuit with many angles where its device takes such, else as one batch of circuits. Only
    the name and options are kept; the device is opened where it is first used, once a process and
    thread.

    With shots, devices that take a ``seed`` get one from the key of every example, and the same
    keys give the same values. They run one circuit after the other for that; ``sampled`` has the
    same statistics and is faster. Devices without seeds, hardware first of all, cannot repeat a
    run to the bit.

    Args:
        name: of the device, as for ``pennylane.device``.
        shots: how often each circuit is run and measured; None for exact values, which only
            simulators have.
        options: further arguments of ``pennylane.device``; ``wires`` is the circuit's number of
            qubits unless it is given here.

    Returns:
        The device, a function that can be pickled. Its gradients are those of
        ``parameter_shift``.

    Raises:
        InputError: if PennyLane is not installed or ``shots`` is not a number from 1 on; when it is
            used, if PennyLane cannot open the device.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> circuit = arctan(qubits=2, hadamard=False).measure("Z0", "Z1", "Z0 Z1")
        >>> x = torch.tensor([[0.0, 1.0]])  # ⟨Z⟩ = cos arctan x = 1/√(1 + x²)
        >>> pennylane()(circuit, x, torch.zeros(0))
        tensor([[1.0000, 0.7071, 0.7071]])

    Source:
        Bergholm et al., PennyLane: automatic differentiation of hybrid quantum-classical
        computations, arXiv:1811.04968.
    """
    require_library("pennylane")
    options = dict(options or {})
    allowed = "be left out, as seeds come from the examples' keys"
    require("seed" not in options, "options['seed']", options.get("seed"), allowed)
    settings = _Settings(name, pickle.dumps(sorted(options.items())))
    if shots is None:
        return parameter_shift(Device(Configured(_run, (settings, None))))
    shots = whole("shots", shots, least=1)
    run, cost = Configured(_run, (settings, shots)), Configured(_cost, (shots,))
    return parameter_shift(Device(run, random=True, forward=cost))


@dataclass(frozen=True)
class _Settings:
    """What a device is opened with.

    Args:
        name: of the device.
        options: its options, pickled, so that equal ones are found to be equal.
    """

    name: str
    options: bytes

    def open(self, qubits: int, **seed: int) -> Any:
        """Return a new device of PennyLane's."""
        options = dict(pickle.loads(self.options))  # noqa: S301 - our own bytes
        try:
            return library("pennylane").device(self.name, **{"wires": qubits, **options, **seed})
        except Exception as error:  # plugins may raise anything
            raise InputError(
                "Argument `name` must be a device that PennyLane can open, but "
                f"name={self.name!r} with the options {options} raised {type(error).__name__}: "
                f"{error}"
            ) from error


def _cost(shots: int, circuit: Circuit) -> Cost:
    return len(measurement_settings(circuit.observables)) * Cost(1, shots)


def _run(
    settings: _Settings,
    shots: int | None,
    circuit: Circuit,
    x: Float[Tensor, "rows inputs"],
    w: Float[Tensor, " weights"],
    key: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "rows observables"]:
    """Return the values of many examples; not differentiable."""
    angles = [
        None if op.angle is None else evaluate([op.angle], x, w)[..., 0].expand(len(x))
        for op in circuit.ops
    ]
    table = [None if a is None else a.detach().to("cpu", torch.float64).numpy() for a in angles]
    found = np.empty((len(x), len(circuit.observables)))
    device = _opened(settings, circuit.n_qubits)
    seeded = key is not None and "seed" in inspect.signature(type(device).__init__).parameters
    # without angles, nothing tells PennyLane how many rows there are, and all would share shots
    single = seeded or (shots is not None and all(column is None for column in table))
    step = 1 if single else max(1, _ENTRIES // 4**circuit.n_qubits)
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        if seeded:
            assert key is not None, "just asked"
            # generators of C++ take no more than 32 bits
            device = settings.open(circuit.n_qubits, seed=int(key[start]) % 2**32)
        some = [None if column is None else column[rows] for column in table]
        found[rows] = _execute(circuit, some, shots, device)
    return torch.from_numpy(found).to(x)


def _execute(
    circuit: Circuit, table: list[NDArray[np.float64] | None], shots: int | None, device: Any
) -> NDArray[np.float64]:
    """Return the values of some examples; (rows, observables), or for all rows (observables,)."""
    qml = library("pennylane")
    operations = []
    for op, column in zip(circuit.ops, table, strict=True):
        # what is the same for all rows need not be given for each, but each has shots of its own
        shared = shots is None or (column is not None and len(column) == 1)
        same = shared and column is not None and bool((column == column[0]).all())
        angle = [] if column is None else [column[0] if same else column]
        operations.append(operation(op.gate, op.wires, *angle))
    measurements = [qml.expval(observable(word)) for word in circuit.observables]
    tape = qml.tape.QuantumScript(operations, measurements, shots=shots)
    (values,) = qml.execute([tape], device, diff_method=None, interface=None)
    return np.stack(values if len(measurements) > 1 else [values], -1)


def _opened(settings: _Settings, qubits: int) -> Any:
    """Return the device, opened once in every process and thread."""
    place = os.getpid(), settings, qubits
    known: dict[Any, Any] = vars(_local).setdefault("devices", {})
    if place not in known:
        known[place] = settings.open(qubits)
    return known[place]
