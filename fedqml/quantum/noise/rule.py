"""What acts after a certain gate, or after gates on certain qubits."""

from dataclasses import dataclass

from fedqml.core.errors import require
from fedqml.quantum.choices import require_choice
from fedqml.quantum.gates import GATES
from fedqml.quantum.noise.channel import Channel


@dataclass(frozen=True)
class Rule:
    """The channels after a gate.

    Args:
        channels: what acts; nothing for a gate without noise.
        gate: the gate's name; None for every gate on these qubits.
        qubits: those of the gate, as the device counts them, ascending; none for any qubits.

    Raises:
        InputError: if neither is given, the gate is unknown or acts on another number of qubits,
            or the qubits do not ascend from 0 on.

    Example:
        >>> Rule((), "rz").selector, Rule((), "cx", (0, 2)).selector, Rule((), None, (3,)).selector
        ('rz', 'cx 0 2', '3')
    """

    channels: tuple[Channel, ...]
    gate: str | None = None
    qubits: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what fits no gate."""
        selects = self.gate is not None or bool(self.qubits)
        require(selects, "gates", self.selector, "name a gate, or qubits")
        require(min(self.qubits, default=0) >= 0, "qubits", self.qubits, "be at least 0")
        ascending = list(self.qubits) == sorted(set(self.qubits))
        require(ascending, "qubits", self.qubits, "be different and in ascending order")
        if self.gate is not None:
            require_choice("gate", self.gate, GATES)
        gates = GATES.values() if self.gate is None else [GATES[self.gate]]
        counts = sorted({len(gate.symbols) for gate in gates})
        fits = not self.qubits or len(self.qubits) in counts
        allowed = f"be {' or '.join(map(str, counts))} for {self.gate or 'a gate'}"
        require(fits, "the number of qubits", len(self.qubits), allowed)

    @property
    def selector(self) -> str:
        """What it applies to: the gate and the qubits, as far as given."""
        return " ".join(([] if self.gate is None else [self.gate]) + [str(q) for q in self.qubits])


def read_selector(text: str) -> tuple[str | None, tuple[int, ...]]:
    """Read what a rule applies to.

    Args:
        text: a gate, qubits in any order, or a gate and qubits, separated by spaces.

    Returns:
        The gate, None if it is left out, and the qubits, ascending.

    Example:
        >>> read_selector("cx 2 0"), read_selector("rz"), read_selector("0 1")
        (('cx', (0, 2)), ('rz', ()), (None, (0, 1)))
    """
    words = text.split()
    numbers = [word for word in words if word.isdecimal()]
    names = [word for word in words if not word.isdecimal()]
    # several names are no gate, which the rule says
    return " ".join(names) or None, tuple(sorted(int(number) for number in numbers))
