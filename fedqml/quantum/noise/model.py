"""The noise of a whole device."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fedqml.core.errors import require
from fedqml.quantum.gates import Matrix
from fedqml.quantum.noise.channel import Channel, read_channels, write_channels
from fedqml.quantum.noise.channels import CHANNELS
from fedqml.quantum.noise.readout import Readout
from fedqml.quantum.noise.rule import Rule, read_selector
from fedqml.quantum.operation import Op
from fedqml.quantum.reading import inside, read_fields, read_value


@dataclass(frozen=True)
class Noise:
    """Which channels act after which gates on which qubits, and how measurements misread.

    After a gate act the channels of the most specific entry that fits it: that of its name and
    qubits, that of its name, that of its qubits, and at last that of their number. Several
    channels act in the order of ``CHANNELS``: what relaxes first, what flips next. Qubits are
    prepared without errors, and one that waits while gates act on others has no noise.

    Args:
        one_qubit: the channels after gates on one qubit.
        two_qubit: those after gates on two qubits; if not joint, on each of the two.
        gates: exceptions.
        readout: how bits are misread.
        qubits: which of the device's qubits each of the circuit's is, and so whose noise it has;
            none for the same numbers.

    Raises:
        InputError: if a channel or an exception is given twice, or a qubit is negative or repeated.

    Example:
        >>> noise = Noise.from_dict(
        ...     {
        ...         "one_qubit": {"depolarising": 0.001, "amplitude_damping": [0.002, 0.003]},
        ...         "two_qubit": {"depolarising": 0.01},
        ...         "gates": {"rz": {}, "cx 0 1": {"depolarising": 0.02}},
        ...         "readout": {"p01": 0.01, "p10": 0.03},
        ...     }
        ... )
        >>> [channel.name for channel in noise.after("ry", (1,))]
        ['amplitude_damping', 'depolarising']
        >>> noise.after("rz", (1,)), noise.after("cx", (1, 0))
        ((), (Channel(name='depolarising', values=(0.02,)),))
    """

    one_qubit: tuple[Channel, ...] = ()
    two_qubit: tuple[Channel, ...] = ()
    gates: tuple[Rule, ...] = ()
    readout: Readout = field(default_factory=Readout)
    qubits: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is ambiguous, and put all in one order: equal noise compares equal."""
        for name in ("one_qubit", "two_qubit"):
            object.__setattr__(self, name, _in_order(getattr(self, name), name))
        selectors = [rule.selector for rule in self.gates]
        _refuse_repeated(selectors, "gates")
        rules = (Rule(_in_order(r.channels, r.selector), r.gate, r.qubits) for r in self.gates)
        object.__setattr__(self, "gates", tuple(sorted(rules, key=lambda rule: rule.selector)))
        _refuse_repeated(self.qubits, "qubits")
        require(min(self.qubits, default=0) >= 0, "qubits", self.qubits, "be at least 0")

    def after(self, gate: str, qubits: tuple[int, ...]) -> tuple[Channel, ...]:
        """Return the channels after a gate.

        Args:
            gate: its name.
            qubits: those it acts on, as the device counts them.

        Returns:
            The channels, in the order in which they act.
        """
        exceptions = {(rule.gate, rule.qubits): rule.channels for rule in self.gates}
        place = tuple(sorted(qubits))
        for selector in ((gate, place), (gate, ()), (None, place)):
            if selector in exceptions:
                return exceptions[selector]
        return self.one_qubit if len(qubits) == 1 else self.two_qubit

    def kraus(self, op: Op) -> list[Matrix]:
        """Return the Kraus operators of every channel after a gate of a circuit.

        Args:
            op: the gate.

        Returns:
            For each channel (operators, m, m), m = 2 ** wires: matrices on all of the gate's wires,
            in their order.

        Raises:
            InputError: if a wire's qubit or its noise is not given.

        Example:
            >>> noise = Noise.from_dict({"two_qubit": {"phase_flip": 0.1, "depolarising": 0.01}})
            >>> [operators.shape for operators in noise.kraus(Op("cx", (0, 1)))]
            [(2, 4, 4), (2, 4, 4), (16, 4, 4)]
        """
        qubits = tuple(self.qubit(wire) for wire in op.wires)
        return [k for channel in self.after(op.gate, qubits) for k in channel.kraus(qubits)]

    def qubit(self, wire: int) -> int:
        """Return which of the device's qubits a circuit's is.

        Args:
            wire: of the circuit.

        Returns:
            The qubit.

        Raises:
            InputError: if it is not given.

        Example:
            >>> Noise(qubits=(3, 0)).qubit(0)
            3
        """
        if not self.qubits:
            return wire
        allowed = f"have an entry for qubit {wire} of the circuit"
        require(wire < len(self.qubits), "noise.qubits", list(self.qubits), allowed)
        return self.qubits[wire]

    def to_dict(self) -> dict[str, Any]:
        """Return the noise as plain data.

        Returns:
            A table that JSON or an experiment file can hold; what has its default is left out.

        Example:
            >>> Noise(one_qubit=(Channel("bit_flip", (0.1,)),), qubits=(1, 0)).to_dict()
            {'one_qubit': {'bit_flip': 0.1}, 'qubits': [1, 0]}
        """
        table = {
            "one_qubit": write_channels(self.one_qubit),
            "two_qubit": write_channels(self.two_qubit),
            "gates": {rule.selector: write_channels(rule.channels) for rule in self.gates},
            "readout": {} if self.readout == Readout() else self.readout.to_dict(),
            "qubits": list(self.qubits),
        }
        return {name: value for name, value in table.items() if value}

    @classmethod
    def from_dict(cls, data: object, where: str = "noise") -> "Noise":
        """Read what ``to_dict`` wrote, or somebody by hand, checking all of it.

        Args:
            data: a table. ``one_qubit`` and ``two_qubit`` hold parameters by the channel's name; a
                parameter is a number, or a list with one for each of the device's qubits. ``gates``
                holds such tables by selector: ``"rz"``, ``"cx 0 1"``, or ``"0 1"`` for every gate
                on these qubits. ``readout`` is a probability, or a table with ``p01`` and
                ``p10``. ``qubits`` is a list.
            where: its place in a larger whole, for messages.

        Returns:
            The noise.

        Raises:
            InputError: if a key or a value is not allowed; says where.

        Example:
            >>> Noise.from_dict({"readout": 0.02}).readout
            Readout(p01=0.02, p10=0.02)
        """
        kinds = {"one_qubit": dict, "two_qubit": dict, "gates": dict}
        fields = read_fields(data, where, {**kinds, "readout": object, "qubits": list}, required=())
        for name in ("one_qubit", "two_qubit"):
            if name in fields:
                fields[name] = read_channels(fields[name], f"{where}.{name}")
        if "gates" in fields:
            fields["gates"] = tuple(_read_rules(fields["gates"], f"{where}.gates"))
        if "readout" in fields:
            fields["readout"] = Readout.from_dict(fields["readout"], f"{where}.readout")
        if "qubits" in fields:
            place = f"{where}.qubits"
            fields["qubits"] = tuple(read_value(qubit, place, int) for qubit in fields["qubits"])
        with inside(where):
            return cls(**fields)


def as_noise(noise: Noise | dict[str, Any] | None) -> Noise:
    """Return the noise that a device's setting means.

    Args:
        noise: the noise, its table, or None for none.

    Returns:
        The noise.

    Raises:
        InputError: if the table is not right.

    Example:
        >>> as_noise(None) == Noise()
        True
    """
    if isinstance(noise, Noise):
        return noise
    return Noise() if noise is None else Noise.from_dict(noise)


def _read_rules(table: dict[str, Any], where: str) -> Iterable[Rule]:
    for text, channels in table.items():
        with inside(where):
            gate, qubits = read_selector(read_value(text, "selector", str))
            yield Rule(read_channels(channels, repr(text)), gate, qubits)


def _in_order(channels: tuple[Channel, ...], where: str) -> tuple[Channel, ...]:
    _refuse_repeated([channel.name for channel in channels], where)
    order = list(CHANNELS)
    return tuple(sorted(channels, key=lambda channel: order.index(channel.name)))


def _refuse_repeated(entries: Iterable[object], where: str) -> None:
    repeated = [entry for entry, count in Counter(entries).items() if count > 1]
    require(not repeated, where, repeated, "name nothing twice")
