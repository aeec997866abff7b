"""A channel with its parameters."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from fedqml.core.errors import require
from fedqml.quantum.choices import require_choice
from fedqml.quantum.gates import I2, Matrix
from fedqml.quantum.noise.channels import CHANNELS, Definition
from fedqml.quantum.noise.values import Values, read_values, value_at, write_values
from fedqml.quantum.reading import inside, read_fields


@dataclass(frozen=True)
class Channel:
    """One of ``CHANNELS`` with its parameters.

    Args:
        name: which one.
        values: its parameters in their order; each is one number for all qubits, or one for each.

    Raises:
        InputError: if the name is unknown, the parameters are too few or too many, or one is out
            of range or, for a channel on several qubits together, given for each.

    Example:
        >>> Channel("amplitude_damping", ((0.0, 1.0),)).kraus((1,))[0][1].real
        array([[0., 1.],
               [0., 0.]])
    """

    name: str
    values: tuple[Values, ...]

    def __post_init__(self) -> None:
        """Refuse what is no channel."""
        require_choice("channel", self.name, CHANNELS)
        names = self.definition.parameters
        count = len(self.values)
        require(count == len(names), "values", self.values, f"be {len(names)}: {', '.join(names)}")
        lengths = {len(values) for values in self.values if isinstance(values, tuple)}
        if self.definition.joint:
            allowed = "be one number, as the channel acts on all qubits of a gate together"
            require(not lengths, self.name, self.to_data(), allowed)
        allowed = "have lists of one length, with an entry for each qubit"
        require(len(lengths) <= 1, self.name, self.to_data(), allowed)
        with inside(self.name):
            for qubit in range(max(lengths, default=1)):
                self.kraus((qubit,))

    @property
    def definition(self) -> Definition:
        """What ``name`` names."""
        return CHANNELS[self.name]

    def kraus(self, qubits: tuple[int, ...]) -> list[Matrix]:
        """Return the Kraus operators after a gate.

        Args:
            qubits: of the gate, as the device counts them.

        Returns:
            Operators on all of them, (operators, m, m) with m = 2 ** qubits: for a joint channel
            once, else for every qubit in turn.

        Raises:
            InputError: if a parameter is not known for a qubit.

        Example:
            >>> [k.shape for k in Channel("depolarising", (0.1,)).kraus((0, 1))]
            [(16, 4, 4)]
            >>> [k.shape for k in Channel("bit_flip", (0.1,)).kraus((0, 1))]
            [(2, 4, 4), (2, 4, 4)]
        """
        definition, count = self.definition, len(qubits)
        if definition.joint:
            return [definition.kraus(*self.values, count)]
        found = []
        for place, qubit in enumerate(qubits):
            numbers = (
                value_at(values, qubit, f"noise: {self.name}.{parameter}")
                for parameter, values in zip(definition.parameters, self.values, strict=True)
            )
            factors: list[Matrix] = [I2[None]] * count
            factors[place] = definition.kraus(*numbers)
            found.append(reduce(np.kron, factors))
        return found

    def to_data(self) -> Any:
        """Return the parameters as plain data.

        Returns:
            The only parameter, or a table of them.

        Example:
            >>> Channel("thermal_relaxation", (50.0, 70.0, 0.1)).to_data()
            {'t1': 50.0, 't2': 70.0, 'duration': 0.1}
        """
        written = [write_values(values) for values in self.values]
        if len(written) == 1:
            return written[0]
        return dict(zip(self.definition.parameters, written, strict=True))

    @classmethod
    def from_data(cls, name: str, data: object) -> "Channel":
        """Read what ``to_data`` wrote.

        Args:
            name: of the channel.
            data: its parameters.

        Returns:
            The channel.

        Raises:
            InputError: if a key or a value is not allowed.

        Example:
            >>> Channel.from_data("bit_flip", [0, 0.1])
            Channel(name='bit_flip', values=((0.0, 0.1),))
        """
        parameters = CHANNELS[name].parameters
        if len(parameters) == 1:
            return cls(name, (read_values(data, name),))
        fields = read_fields(data, name, dict.fromkeys(parameters, object), required=parameters)
        return cls(name, tuple(read_values(fields[p], f"{name}.{p}") for p in parameters))


def read_channels(data: object, where: str) -> tuple[Channel, ...]:
    """Read a table of channels.

    Args:
        data: parameters by the channel's name.
        where: its place in a larger whole, for messages.

    Returns:
        The channels.

    Raises:
        InputError: if a key or a value is not allowed.

    Example:
        >>> [channel.name for channel in read_channels({"bit_flip": 0.1}, "one_qubit")]
        ['bit_flip']
    """
    fields = read_fields(data, where, dict.fromkeys(CHANNELS, object), required=())
    with inside(where):
        return tuple(Channel.from_data(name, values) for name, values in fields.items())


def write_channels(channels: tuple[Channel, ...]) -> dict[str, Any]:
    """Return what ``read_channels`` reads.

    Example:
        >>> write_channels((Channel("bit_flip", (0.1,)),))
        {'bit_flip': 0.1}
    """
    return {channel.name: channel.to_data() for channel in channels}
