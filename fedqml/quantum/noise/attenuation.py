"""How much of a circuit's expectation values is left by noise."""

import math

import numpy as np

from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import Matrix
from fedqml.quantum.lightcone import reachable
from fedqml.quantum.noise.model import Noise


def attenuation(circuit: Circuit, noise: Noise) -> float:
    """Return an estimate of the factor by which noise shrinks a circuit's expectation values.

    ``prod_channels f x mean_observables prod_wires (1 - p01 - p10)``. Of a channel on d dimensions
    with Kraus operators K, ``f = (sum_K |tr K|^2 - 1) / (d^2 - 1)``, the part that it leaves of a
    traceless operator, on average over all of them: the decay that randomised benchmarking
    measures. Depolarising channels on all of a gate's qubits have ``f = 1 - p`` exactly. It is the
    factor itself where each of them acts on all that an observable notices, as on one qubit; in
    general an observable misses some errors, and others than depolarising ones can also shift it:
    phase flips of 5 % behind one layer, which Z does not notice, count as 0.66. Gates outside the
    light cone do not count.

    Args:
        circuit: what is run; measures at least one observable.
        noise: that of the device.

    Returns:
        From 0 to 1.

    Raises:
        InputError: if the circuit has qubits that the noise does not know.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> circuit = arctan(qubits=1, hadamard=False).measure("Z0")  # RY and RZ
        >>> noise = Noise.from_dict({"one_qubit": {"depolarising": 0.1}, "readout": 0.05})
        >>> round(attenuation(circuit, noise), 6)  # 0.9² (1 - 2·0.05)
        0.729

    Source:
        Magesan, Gambetta and Emerson, arXiv:1009.3639, for f; that errors of many gates act like
        one depolarising channel, Dalzell, Hunter-Jones and Brandão, arXiv:2111.14907.
    """
    channels = [kraus for op in reachable(circuit).ops for kraus in noise.kraus(op)]
    readouts = [
        math.prod(_read(noise, wire) for wire in observable.wires)
        for observable in circuit.observables
    ]
    return math.prod(map(_kept, channels)) * sum(readouts) / len(readouts)


def _kept(kraus: Matrix) -> float:
    # A channel that turns operators round leaves nothing to learn from.
    size = kraus.shape[-1] ** 2
    traces = np.trace(kraus, axis1=-2, axis2=-1)
    return max(0.0, float((abs(traces) ** 2).sum() - 1) / (size - 1))


def _read(noise: Noise, wire: int) -> float:
    return max(0.0, noise.readout.damping(noise.qubit(wire))[0])
