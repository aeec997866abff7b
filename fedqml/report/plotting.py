"""How figures look and how they become bytes: the same bytes from the same results."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import matplotlib.style
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogFormatter

from fedqml.report.formats import shorten

# Okabe and Ito's palette, which colour-blind readers can tell apart, without its yellow (too
# pale for a line on white). Source: jfly.uni-koeln.de/color.
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Areas need less contrast than lines, and ten of them for the digits: its yellow again, a grey,
# and the wine of Paul Tol's palette (personal.sron.nl/~pault).
_AREAS = (*_PALETTE[:6], "#F0E442", "#000000", "#999999", "#882255")
Dashes = Literal["-", "--", ":", "-."]
_DASHES: tuple[Dashes, ...] = ("-", "--", ":", "-.")
_STYLE = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
    "svg.hashsalt": "fedqml",
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}
_DPI = 160
_WIDTH = 10.0  # inches
LINE_CHARACTERS = 110
"""How many characters fit into the width of a figure."""
_LEGEND_ROW = 0.22  # inches
_KEY_CHARACTERS = 8  # what a legend's key and gap take


@dataclass(frozen=True)
class Figure:
    """A drawn figure; ``label`` says in words what it shows, ``caption`` how to read it."""

    label: str
    caption: str
    svg: bytes
    png: bytes


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style, whatever the user's own matplotlibrc says."""
    with matplotlib.style.context(["default", _STYLE]), warnings.catch_warnings():
        # The font lacks some scripts; the browser has them, since text stays text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def line_look(place: int) -> tuple[str, Dashes]:
    """Return colour and dashes of the line at a place; 28 lines differ.

    Example:
        >>> line_look(0), line_look(7)
        (('#0072B2', '-'), ('#0072B2', '--'))
    """
    return _PALETTE[place % len(_PALETTE)], _DASHES[place // len(_PALETTE) % len(_DASHES)]


def fill_colours(number: int) -> list[str]:
    """Return a colour for each of so many classes; of more than ten, from dark to light.

    Example:
        >>> fill_colours(2)
        ['#0072B2', '#D55E00']
    """
    if number <= len(_AREAS):
        return list(_AREAS[:number])
    scale = colormaps["viridis"]
    return [to_hex(scale(place / (number - 1))) for place in range(number)]


def canvas(rows: int, row_height: float, legend: Sequence[str]) -> Canvas:
    """Return an empty figure of rows of panels, with room for a legend below them.

    Args:
        rows: how many rows of panels.
        row_height: the height of each, in inches.
        legend: the names that the legend will hold.
    """
    lines = -(-len(legend) // _legend_columns(legend)) if legend else 0
    height = rows * row_height + 0.3 + _LEGEND_ROW * lines
    return Canvas(figsize=(_WIDTH, height), layout="constrained")


def add_legend(figure: Canvas, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Put a legend below all panels, where it hides nothing."""
    labels = [shorten(name, LINE_CHARACTERS) for name in names]
    columns = _legend_columns(names)
    figure.legend(list(handles), labels, loc="outside lower center", ncols=columns)


def logarithmic(panel: Axes) -> None:
    """Make the vertical axis logarithmic, its numbers typed out as the style shows no formulas."""
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))  # where few powers fit


def to_svg(figure: Canvas) -> bytes:
    """Return a figure as SVG, without date and program."""
    content = io.BytesIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(content, metadata=metadata)
    return content.getvalue()


def to_png(figure: Canvas) -> bytes:
    """Return a figure as PNG, without date and program."""
    content = io.BytesIO()
    figure.set_dpi(_DPI)
    FigureCanvasAgg(figure).print_png(content, metadata={"Software": None})
    return content.getvalue()


def _legend_columns(names: Sequence[str]) -> int:
    longest = max(map(len, names))
    return max(1, min(len(names), LINE_CHARACTERS // (longest + _KEY_CHARACTERS)))
