"""In which weights a circuit is periodic, and which of them make up rotations of one qubit."""

import math
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np

from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import Rotation
from fedqml.quantum.operation import Op

_LARGEST_RATIO = 1000
_EULER = ("rz", "ry", "rz")


def periods(circuit: Circuit) -> dict[int, float]:
    """Return the period of all expectation values in each weight that is an angle.

    In the angle of a gate, an expectation value is a Fourier series whose frequencies are the
    differences of the generator's eigenvalues. In a weight that enters gates by scale · w, its
    frequencies are sums and differences of |scale| · difference, so it has the period 2π / g where
    g is their greatest common divisor: 2π for a turn of a qubit, 4π for a controlled one.

    Args:
        circuit: any circuit; its observables do not matter.

    Returns:
        From weight to period, radians. A weight is left out that is multiplied by an input or
        mapped otherwise, that enters gates with scales without a common divisor, or none.

    Example:
        >>> turns = Op("ry", (0,), Angle.weight(0)), Op("rx", (0,), 0.5 * Angle.weight(1))
        >>> {j: round(period / math.pi, 6) for j, period in periods(Circuit(1, turns)).items()}
        {0: 2.0, 1: 4.0}

    Source:
        Wierichs, Izaac, Wang and Lin, General parameter-shift rules for quantum gradients,
        arXiv:2107.12390, section 2.
    """
    frequencies: dict[int, set[float]] = defaultdict(set)
    others: set[int] = set()
    for op in circuit.ops:
        gate = op.definition
        if op.angle is None or not isinstance(gate, Rotation):
            continue
        scales: dict[int, float] = defaultdict(float)
        for term in op.angle.terms:
            if term.map == "identity" and term.weights:
                scales[term.weights[0]] += term.scale
            else:
                others.update(term.weights)
        differences = np.subtract.outer(gate.eigenvalues, gate.eigenvalues)
        positive = np.unique(differences[differences > 0].round(12)).tolist()
        for weight, scale in scales.items():
            frequencies[weight].update(abs(scale) * f for f in positive if scale != 0)
    found = {j: _divisor(frequencies[j]) for j in sorted(frequencies.keys() - others)}
    return {j: 2 * math.pi / divisor for j, divisor in found.items() if divisor is not None}


def _divisor(numbers: set[float]) -> float | None:
    """Return the greatest number of which all are whole multiples, if there is one."""
    if not numbers:
        return None
    unit = min(numbers)
    ratios = [Fraction(number / unit).limit_denominator(_LARGEST_RATIO) for number in numbers]
    if not all(
        math.isclose(float(ratio) * unit, number, rel_tol=1e-12)
        for ratio, number in zip(ratios, numbers, strict=True)
    ):
        return None
    return unit / math.lcm(*(ratio.denominator for ratio in ratios))


def rotations(circuit: Circuit) -> list[tuple[int, int, int]]:
    """Return the weights of RZ, RY and RZ that follow each other on a qubit.

    Such three are a general rotation, an element of SU(2). Each weight must be the whole angle of
    its gate, and of that gate alone.

    Args:
        circuit: any circuit.

    Returns:
        Three weights a rotation, in the order of time; no weight is in two of them.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> rotations(rot_cnot(qubits=2, depth=1))
        [(0, 1, 2), (3, 4, 5)]
    """
    uses = Counter(j for op in circuit.ops if op.angle for j in op.angle.weights)

    def alone(op: Op) -> int:
        """Return the weight that is the angle of this gate and in no other; -1 if none is."""
        weight = min(op.angle.weights, default=-1) if op.angle else -1
        return weight if uses[weight] == 1 and op.angle == Angle.weight(weight) else -1

    found = []
    for qubit in range(circuit.n_qubits):
        here = [op for op in circuit.ops if qubit in op.wires]
        place = 0
        while place + 3 <= len(here):
            three = here[place : place + 3]
            first, second, third = (alone(op) for op in three)
            if tuple(op.gate for op in three) == _EULER and min(first, second, third) >= 0:
                found.append((first, second, third))
                place += 3
            else:
                place += 1
    return found
