"""The figure of how evenly a circuit reaches all states."""

import numpy as np
from jaxtyping import Float
from matplotlib.patches import Patch

from fedqml.report.plotting import (
    Figure,
    add_legend,
    canvas,
    line_look,
    logarithmic,
    style,
    to_png,
    to_svg,
)

_PANEL_HEIGHT = 2.8  # inches
_NAMES = ("this circuit", "states drawn evenly (Haar)")


def draw_fidelities(
    fractions: Float[np.ndarray, " bins"], haar: Float[np.ndarray, " bins"], pairs: int
) -> Figure:
    """Draw the histogram of fidelities of a circuit's states over that of evenly drawn ones.

    Args:
        fractions: of the pairs of states, the part in each bin of fidelity; equal bins from 0 to 1.
        haar: the same of states drawn evenly.
        pairs: how many pairs.

    Returns:
        The figure, with a logarithmic axis of fractions.
    """
    edges = np.linspace(0, 1, len(fractions) + 1)
    with style():
        figure = canvas(1, _PANEL_HEIGHT, _NAMES)
        panel = figure.subplots()
        colour, _ = line_look(0)
        panel.bar(edges[:-1], fractions, np.diff(edges), align="edge", color=colour)
        line = panel.stairs(haar, edges, color=line_look(1)[0], linewidth=1.6, baseline=None)
        logarithmic(panel)
        # below a tenth of a pair no bar can stand
        panel.set_ylim(0.1 / pairs, 1.5)
        panel.set_xlim(0, 1)
        panel.set_xlabel("fidelity of two states")
        panel.set_ylabel("part of the pairs")
        add_legend(figure, [Patch(color=colour), line], _NAMES)
        svg, png = to_svg(figure), to_png(figure)
    return Figure(
        label="Histogram of the fidelities of pairs of states, and that of evenly drawn states.",
        caption=f"Fidelities of {pairs:,} pairs of states with random weights. The closer the bars "
        "follow the line, the more evenly the circuit reaches all states.",
        svg=svg,
        png=png,
    )
