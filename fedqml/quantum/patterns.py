"""Which qubits are entangled with which."""

from typing import Literal

from fedqml.quantum.choices import require_choice

Pattern = Literal["linear", "ring", "full"]


def pairs(qubits: int, pattern: Pattern) -> list[tuple[int, int]]:
    """Return the pairs of qubits that a layer entangles.

    Args:
        qubits: how many.
        pattern: ``"linear"`` joins neighbours, ``"ring"`` also the last qubit to the first, if
            they are no neighbours anyway, ``"full"`` all pairs.

    Returns:
        Pairs in the order of their gates.

    Raises:
        InputError: if the pattern is unknown.

    Example:
        >>> pairs(3, "ring"), pairs(2, "ring")
        ([(0, 1), (1, 2), (2, 0)], [(0, 1)])
        >>> pairs(3, "full")
        [(0, 1), (0, 2), (1, 2)]
    """
    require_choice("pattern", pattern, ("linear", "ring", "full"))
    if pattern == "full":
        return [(a, b) for a in range(qubits) for b in range(a + 1, qubits)]
    chain = [(qubit, qubit + 1) for qubit in range(qubits - 1)]
    return [*chain, (qubits - 1, 0)] if pattern == "ring" and qubits > 2 else chain
