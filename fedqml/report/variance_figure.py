"""The figure of how gradients fall with the number of qubits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

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

_PANEL_HEIGHT = 3.4  # inches


@dataclass(frozen=True)
class VarianceCurve:
    """The variance of slopes of one family of circuits.

    Attributes:
        name: of the family.
        qubits: the sizes.
        variances: one row a size, one column a seed; 1/radian².
    """

    name: str
    qubits: Sequence[int]
    variances: Float[np.ndarray, "sizes seeds"]


def draw_variances(curves: Sequence[VarianceCurve]) -> Figure:
    """Draw the variance over the number of qubits, on a logarithmic axis.

    Args:
        curves: at least one; markers are means over seeds, bars reach from the lowest seed to
            the highest.

    Returns:
        The figure.
    """
    names = [curve.name for curve in curves]
    with style():
        figure = canvas(1, _PANEL_HEIGHT, names)
        panel = figure.subplots()
        handles = []
        for place, curve in enumerate(curves):
            colour, dashes = line_look(place)
            mean = curve.variances.mean(1)
            reach = [mean - curve.variances.min(1), curve.variances.max(1) - mean]
            bars = panel.errorbar(
                curve.qubits, mean, reach, color=colour, ls=dashes, marker="o", ms=4, capsize=3
            )
            handles.append(bars.lines[0])
        logarithmic(panel)
        panel.set_xticks(sorted({size for curve in curves for size in curve.qubits}))
        panel.set_xlabel("qubits")
        panel.set_ylabel("variance of the slope, 1/radian²")
        add_legend(figure, handles, names)
        svg, png = to_svg(figure), to_png(figure)
    return Figure(
        label="Variance of slopes against the number of qubits, for " + "; ".join(names) + ".",
        caption="Variance of ∂⟨P⟩/∂w over random weights, mean of all weights with influence. A "
        "straight line downwards is an exponential fall: a barren plateau.",
        svg=svg,
        png=png,
    )
