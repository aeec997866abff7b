"""Parameters that are one number for all qubits, or one for each."""

from fedqml.core.errors import require
from fedqml.quantum.reading import read_value

Values = float | tuple[float, ...]


def value_at(values: Values, qubit: int, where: str) -> float:
    """Return the number for a qubit.

    Args:
        values: one number for all qubits, or one for each.
        qubit: which one.
        where: the parameter as its user writes it, for the message.

    Returns:
        The number.

    Raises:
        InputError: if there is none.

    Example:
        >>> value_at((0.1, 0.2), 1, "bit_flip"), value_at(0.1, 1, "bit_flip")
        (0.2, 0.1)
    """
    if not isinstance(values, tuple):
        return values
    allowed = f"have an entry for qubit {qubit}"
    require(qubit < len(values), where, list(values), allowed)
    return values[qubit]


def every(values: Values) -> tuple[float, ...]:
    """Return all the numbers.

    Example:
        >>> every(0.1)
        (0.1,)
    """
    return values if isinstance(values, tuple) else (values,)


def read_values(data: object, where: str) -> Values:
    """Read a number, or a list of numbers.

    Args:
        data: what was read.
        where: its place, for the message.

    Returns:
        The values.

    Raises:
        InputError: if it is something else.

    Example:
        >>> read_values([0.1, 0], "readout")
        (0.1, 0.0)
    """
    if isinstance(data, list):
        require(bool(data), where, data, "be a number, or a list with one for each qubit")
        return tuple(read_value(entry, where, float) for entry in data)
    number: float = read_value(data, where, float)
    return number


def write_values(values: Values) -> float | list[float]:
    """Return what ``read_values`` reads.

    Example:
        >>> write_values((0.1, 0.2))
        [0.1, 0.2]
    """
    return list(values) if isinstance(values, tuple) else values
