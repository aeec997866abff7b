"""Measurements that misread a bit."""

from dataclasses import dataclass

from fedqml.core.errors import require
from fedqml.quantum.noise.values import Values, every, read_values, value_at, write_values
from fedqml.quantum.reading import inside, read_fields


@dataclass(frozen=True)
class Readout:
    """Bits misread independently of each other, after the change to the basis that is measured.

    Args:
        p01: the probability that 0 is read as 1, for all qubits or each.
        p10: the probability that 1 is read as 0, for all qubits or each.

    Raises:
        InputError: if one is no probability.

    Example:
        >>> Readout(p01=0.01, p10=(0.02, 0.05)).damping(1)
        (0.94, 0.04)

    Source:
        Bravyi, Sheldon, Kandala, Mckay and Gambetta, Mitigating measurement errors in multi-qubit
        experiments, arXiv:2006.14044, section II (tensor-product noise).
    """

    p01: Values = 0.0
    p10: Values = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no probability."""
        for name in ("p01", "p10"):
            for value in every(getattr(self, name)):
                require(0 <= value <= 1, name, value, "be a probability, from 0 to 1")

    def damping(self, qubit: int) -> tuple[float, float]:
        """Return a and b such that the mean of a measured ±1 is that of a·P + b.

        Where P is +1, it is read as that with the probability 1 - p01, so that a + b = 1 - 2 p01;
        and where it is -1, -a + b = 2 p10 - 1. So a = 1 - p01 - p10 and b = p10 - p01. The mean of
        a product of several qubits' results is that of the product of these.

        Args:
            qubit: which one.

        Returns:
            a and b.

        Raises:
            InputError: if no probability is known for the qubit.

        Example:
            >>> Readout(p01=0.5, p10=0.5).damping(0)
            (0.0, 0.0)
        """
        p01 = value_at(self.p01, qubit, "noise.readout.p01")
        p10 = value_at(self.p10, qubit, "noise.readout.p10")
        return 1 - p01 - p10, p10 - p01

    def to_dict(self) -> dict[str, float | list[float]]:
        """Return both probabilities as plain data."""
        return {"p01": write_values(self.p01), "p10": write_values(self.p10)}

    @classmethod
    def from_dict(cls, data: object, where: str = "readout") -> "Readout":
        """Read what ``to_dict`` wrote, or a number or list that is meant for both directions.

        Args:
            data: a table with ``p01`` and ``p10``, or a number, or a list with one for each qubit.
            where: its place in a larger whole, for messages.

        Returns:
            The readout.

        Raises:
            InputError: if a key or a value is not allowed.

        Example:
            >>> Readout.from_dict(0.02)
            Readout(p01=0.02, p10=0.02)
        """
        if isinstance(data, dict):
            fields = read_fields(data, where, {"p01": object, "p10": object}, required=())
            values = {name: read_values(value, f"{where}.{name}") for name, value in fields.items()}
        else:
            values = dict.fromkeys(("p01", "p10"), read_values(data, where))
        with inside(where):
            return cls(**values)
