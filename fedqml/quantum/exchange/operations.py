"""The gates and observables in PennyLane's words."""

from typing import Any

from fedqml.core.optional import library
from fedqml.quantum.pauli import Pauli

NAMES = {
    "rx": "RX",
    "ry": "RY",
    "rz": "RZ",
    "phase": "PhaseShift",
    "rxx": "IsingXX",
    "ryy": "IsingYY",
    "rzz": "IsingZZ",
    "crx": "CRX",
    "cry": "CRY",
    "crz": "CRZ",
    "h": "Hadamard",
    "x": "PauliX",
    "y": "PauliY",
    "z": "PauliZ",
    "s": "S",
    "sdg": "Adjoint(S)",
    "t": "T",
    "tdg": "Adjoint(T)",
    "sx": "SX",
    "sxdg": "Adjoint(SX)",
    "cx": "CNOT",
    "cy": "CY",
    "cz": "CZ",
    "swap": "SWAP",
}
"""PennyLane's name of each gate."""


def operation(gate: str, wires: tuple[int, ...], *angle: Any) -> Any:
    """Return a gate as PennyLane's operation; in a quantum function, apply it.

    Args:
        gate: its name in ``GATES``.
        wires: the qubits.
        angle: of a gate that has one, radians; several for a batch.

    Returns:
        The operation.

    Example:
        >>> operation("sdg", (1,))
        Adjoint(S(1))
    """
    qml, name = library("pennylane"), NAMES[gate]
    inner = name.removeprefix("Adjoint(").removesuffix(")")
    make = getattr(qml, inner)
    return (make if inner == name else qml.adjoint(make))(*angle, wires=wires)


def observable(word: Pauli) -> Any:
    """Return a Pauli word as PennyLane's observable.

    Args:
        word: the word.

    Returns:
        The observable.

    Example:
        >>> observable(Pauli.parse("X0 Y2"))
        X(0) @ Y(2)
    """
    qml = library("pennylane")
    letters = zip(word.letters, word.wires, strict=True)
    factors = [getattr(qml, letter)(wire) for letter, wire in letters]
    return factors[0] if len(factors) == 1 else qml.prod(*factors)
