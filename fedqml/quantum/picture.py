"""Drawing a circuit as in a textbook; needs Matplotlib, so import this only where it is used."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Arc, Circle, Rectangle
from matplotlib.textpath import TextPath

from fedqml.core.errors import require
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.columns import pack
from fedqml.quantum.gates import CONTROL, CROSS, NOT

# lengths in inches, which are also the units of the axes: type and gates have the same size
# however long the circuit is
BOX, GAP, LINE, MARGIN = 0.42, 0.14, 0.6, 0.5
NAME = FontProperties(family="STIXGeneral", math_fontfamily="stix", size=13)
ANGLE = FontProperties(family="STIXGeneral", math_fontfamily="stix", size=9)
INK, GATE, METER = "#1a1a1a", "#e9eff8", "#f4f4f2"


@dataclass(frozen=True)
class _Item:
    """What stands in a column: a gate, or the meters of an observable."""

    wires: Sequence[int]
    symbols: Sequence[str]
    angle: str = ""
    meter: bool = False

    @property
    def span(self) -> range:
        return range(min(self.wires), max(self.wires) + 1)

    @property
    def width(self) -> float:
        names = [_name(symbol) for symbol in self.symbols if not self.meter]
        texts = [(name, NAME) for name in names] + [(_angle(self.angle), ANGLE)]
        return max(BOX, 0.14 + max(_text_width(text, font) for text, font in texts))


Block = list[list[_Item]]  # columns of items


def picture(circuit: Circuit, width: float = 12.0) -> Figure:
    """Return a picture of the circuit: wires from |0⟩, gates, and meters where it is measured.

    Args:
        circuit: what to draw.
        width: of the picture, inches; a longer circuit goes on in a new block below. Only a
            column that is wider on its own is not broken.

    Returns:
        A Matplotlib figure that belongs to no window; its ``savefig`` writes a file.

    Raises:
        InputError: if the width is not positive.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> figure = picture(arctan(qubits=2).measure("Z0"))
        >>> len(figure.axes)
        1
    """
    require(width > 0, "width", width, "be above 0")
    gates = [_Item(op.wires, op.definition.symbols, op.label) for op in circuit.ops]
    meters = [_Item(word.wires, word.letters, meter=True) for word in circuit.observables]
    columns = [*_columns(gates, circuit.n_qubits), *_columns(meters, circuit.n_qubits)]
    blocks = _fold(columns, width - 2 * MARGIN)

    length = max(_length(block) for block in blocks)
    block_height = LINE * (circuit.n_qubits + 0.5)
    size = (length + 2 * MARGIN, block_height * len(blocks))
    figure = Figure(figsize=size, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-MARGIN, length + MARGIN), ylim=(-size[1], 0))
    axes.set_axis_off()
    for number, block in enumerate(blocks):
        heights = [
            -number * block_height - LINE * (qubit + 0.75) for qubit in range(circuit.n_qubits)
        ]
        _draw_wires(axes, heights, _length(block), number == 0, number == len(blocks) - 1)
        x = GAP
        for column in block:
            column_width = max(item.width for item in column)
            for item in column:
                _draw_item(axes, item, x + column_width / 2, heights)
            x += column_width + GAP
    return figure


def _columns(items: Sequence[_Item], n_qubits: int) -> Block:
    packed = pack([item.span for item in items], n_qubits)
    return [[items[number] for number in members] for members in packed]


def _fold(columns: Block, width: float) -> list[Block]:
    """Break the columns into blocks that are not wider than they may be."""
    blocks: list[Block] = [[]]
    for column in columns:
        if blocks[-1] and _length([*blocks[-1], column]) > width:
            blocks.append([])
        blocks[-1].append(column)
    return blocks


def _length(block: Block) -> float:
    return GAP + sum(max(item.width for item in column) + GAP for column in block)


def _draw_wires(
    axes: Axes, heights: Sequence[float], length: float, first: bool, last: bool
) -> None:
    """Draw a line a qubit, |0⟩ in front of the first block, dots where the circuit is cut."""
    left, right = ("$|0\\rangle$" if first else "⋯"), ("" if last else "⋯")
    for y in heights:
        axes.plot([0, length], [y, y], color=INK, linewidth=0.9, zorder=1)
        axes.text(-0.08, y, left, ha="right", va="center", fontproperties=NAME)
        axes.text(length + 0.08, y, right, ha="left", va="center", fontproperties=NAME)


def _draw_item(axes: Axes, item: _Item, x: float, heights: Sequence[float]) -> None:
    """Draw the vertical line that joins the wires of an item, and its symbol on each of them."""
    ends = [heights[item.span[0]], heights[item.span[-1]]]
    axes.plot([x, x], ends, color=INK, linewidth=0.9, zorder=1)
    for wire, symbol in zip(item.wires, item.symbols, strict=True):
        y = heights[wire]
        if item.meter:
            _draw_meter(axes, x, y, symbol)
        elif symbol == CONTROL:
            axes.add_patch(Circle((x, y), 0.055, facecolor=INK, edgecolor=INK, zorder=2))
        elif symbol == NOT:
            radius = 0.12
            axes.add_patch(Circle((x, y), radius, facecolor="white", edgecolor=INK, zorder=2))
            axes.plot([x - radius, x + radius], [y, y], color=INK, linewidth=1.0, zorder=3)
            axes.plot([x, x], [y - radius, y + radius], color=INK, linewidth=1.0, zorder=3)
        elif symbol == CROSS:
            arm = 0.08
            axes.plot([x - arm, x + arm], [y - arm, y + arm], color=INK, linewidth=1.2, zorder=2)
            axes.plot([x - arm, x + arm], [y + arm, y - arm], color=INK, linewidth=1.2, zorder=2)
        else:
            _draw_box(axes, x, y, item.width, GATE)
            raised = 0.07 if item.angle else 0.0
            _draw_text(axes, x, y + raised, _name(symbol), NAME)
            _draw_text(axes, x, y - 0.115, _angle(item.angle), ANGLE)


def _draw_box(axes: Axes, x: float, y: float, width: float, fill: str) -> None:
    corner = (x - width / 2, y - BOX / 2)
    axes.add_patch(
        Rectangle(corner, width, BOX, facecolor=fill, edgecolor=INK, linewidth=0.9, zorder=2)
    )


def _draw_meter(axes: Axes, x: float, y: float, letter: str) -> None:
    """Draw a dial with a needle, and which Pauli matrix it shows."""
    _draw_box(axes, x, y, BOX, METER)
    foot = y - 0.13
    axes.add_patch(Arc((x, foot), 0.3, 0.3, theta1=15, theta2=165, color=INK, lw=0.9, zorder=3))
    axes.plot([x, x + 0.11], [foot, foot + 0.17], color=INK, linewidth=0.9, zorder=3)
    _draw_text(axes, x - 0.12, y + 0.12, _name(letter), ANGLE)


def _draw_text(axes: Axes, x: float, y: float, text: str, font: FontProperties) -> None:
    axes.text(x, y, text, ha="center", va="center", color=INK, fontproperties=font, zorder=4)


@lru_cache(maxsize=1024)  # setting mathematical type takes milliseconds
def _text_width(text: str, font: FontProperties) -> float:
    """Return the width of a text in inches, of which a point is 1/72."""
    return float(TextPath((0, 0), text, prop=font).get_extents().width) / 72 if text else 0.0


def _name(symbol: str) -> str:
    """Set a gate's name in mathematical type: RX as R with an index, √X† with root and dagger."""
    letter, index = symbol.strip("√†")[:1], symbol.strip("√†")[1:]
    body = rf"\sqrt{{{letter}}}" if symbol.startswith("√") else letter
    body += f"_{{{index}}}" if index else ""
    return f"${body}$" if not symbol.endswith("†") else rf"${body}^{{\dagger}}$"


def _angle(label: str) -> str:
    """Set an angle in mathematical type: indices, squares, minus signs instead of hyphens."""
    text = re.sub(r"([xw])(\d+)(²?)", _variable, label)
    return text.replace("atan ", "arctan ").replace("-", "−")


def _variable(match: re.Match[str]) -> str:
    letter, index, square = match.groups()
    return f"${letter}_{{{index}}}{'^2' if square else ''}$"
