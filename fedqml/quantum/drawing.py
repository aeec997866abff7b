"""Drawing a circuit as text."""

from collections.abc import Sequence

from fedqml.core.errors import require
from fedqml.quantum.columns import pack
from fedqml.quantum.gates import CONTROL, CROSS, NOT
from fedqml.quantum.operation import Op
from fedqml.quantum.pauli import Pauli

Texts = dict[int, str]  # what an item shows on each of its wires


def draw(n_qubits: int, ops: Sequence[Op], observables: Sequence[Pauli], width: int) -> str:
    """Return the text drawing of a circuit.

    Args:
        n_qubits: how many qubits.
        ops: the gates, in the order of time.
        observables: what is measured in the end.
        width: of the drawing, in characters; a longer circuit goes on in a new block below. Only
            a column that is wider on its own is not broken.

    Returns:
        Lines, one a qubit and block.

    Raises:
        InputError: if the width is below 1.

    Example:
        >>> print(draw(2, [Op("h", (0,)), Op("cz", (0, 1))], [], width=80))
        0: ──H─╭●──
        1: ────╰●──
    """
    require(width >= 1, "width", width, "be at least 1")
    gates = _columns([_op_texts(op) for op in ops], n_qubits, rest="─")
    words = _columns([_observable_texts(word) for word in observables], n_qubits, rest=" ")
    ends = ["─┤"] * n_qubits if observables else ["─"] * n_qubits
    columns = [*gates, [end + "".join(cells) for end, *cells in zip(ends, *words, strict=True)]]

    margin = len(str(n_qubits - 1))
    starts = [f"{qubit:>{margin}}: ─" for qubit in range(n_qubits)]
    blocks = [starts]
    for column in columns:
        row = [left + right for left, right in zip(blocks[-1], column, strict=True)]
        if max(len(line.rstrip()) for line in row) <= width or blocks[-1] is starts:
            blocks[-1] = row
        else:
            blocks.append([left + right for left, right in zip(starts, column, strict=True)])
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks)


def _op_texts(op: Op) -> Texts:
    """Put the angle behind every symbol that can carry one."""
    angle = f"({op.label})" if op.label else ""
    bare = (CONTROL, NOT, CROSS)
    return {
        wire: symbol if symbol in bare else symbol + angle
        for wire, symbol in zip(op.wires, op.definition.symbols, strict=True)
    }


def _observable_texts(observable: Pauli) -> Texts:
    return dict.fromkeys(observable.wires, f"⟨{'⊗'.join(observable.letters)}⟩")


def _columns(items: Sequence[Texts], n_qubits: int, rest: str) -> list[list[str]]:
    """Return the cells of every column, padded with ``rest`` to one width.

    An item takes all wires from its first to its last, so that its vertical line meets no other.
    """
    spans = [range(min(item), max(item) + 1) for item in items]
    columns = []
    for members in pack(spans, n_qubits):
        cells = [rest] * n_qubits
        for number in members:
            for wire in spans[number]:
                cells[wire] = _edge(wire, items[number], rest) + items[number].get(wire, "")
        width = max(len(cell) for cell in cells)
        columns.append([cell.ljust(width, rest) + rest for cell in cells])
    return columns


def _edge(wire: int, item: Texts, rest: str) -> str:
    """Return the piece of the vertical line that joins the wires of an item."""
    if len(item) == 1:
        return rest
    inner = "├" if wire in item else "│"
    return {min(item): "╭", max(item): "╰"}.get(wire, inner)
