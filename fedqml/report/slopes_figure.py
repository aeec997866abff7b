"""The figure of the slopes of a circuit's weights, dead ones marked."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.patches import Patch

from fedqml.report.formats import listing
from fedqml.report.plotting import (
    Figure,
    add_legend,
    canvas,
    fill_colours,
    line_look,
    style,
    to_png,
    to_svg,
)

_PANEL_HEIGHT = 2.6  # inches
_WIDE = 0.8  # of all bars of a weight together
_NAMED = 60  # weights, that can each have a number


def draw_slopes(
    deviations: Float[np.ndarray, "observables weights"],
    observables: Sequence[str],
    dead: Sequence[int],
) -> Figure:
    """Draw the standard deviation of every weight's slope as a bar, one for each observable.

    Args:
        deviations: of ∂⟨P⟩/∂w over random weights and inputs, 1/radian.
        observables: the names of the rows.
        dead: the weights without influence, which get a cross.

    Returns:
        The figure.
    """
    count = deviations.shape[1]
    names = [f"slope of ⟨{name}⟩" for name in observables]
    crossed = f"no influence ({len(dead)} of {count} weights)"
    shown = [*names, crossed] if dead else names
    width = _WIDE / len(names)
    with style():
        figure = canvas(1, _PANEL_HEIGHT, shown)
        panel = figure.subplots()
        handles: list[Artist] = []
        for number, (row, colour) in enumerate(
            zip(deviations, fill_colours(len(names)), strict=True)
        ):
            left = np.arange(count) - _WIDE / 2 + number * width
            panel.bar(left, row, width, align="edge", color=colour)
            handles.append(Patch(color=colour))
        top = float(deviations.max()) or 1.0
        panel.set_ylim(-0.06 * top, 1.05 * top)
        if dead:
            places = np.array(dead)
            handles += panel.plot(
                places, 0 * places, "x", color=line_look(6)[0], markersize=7, markeredgewidth=1.8
            )
        panel.set_xlim(-0.7, count - 0.3)
        step = -(-count // _NAMED)
        panel.set_xticks(np.arange(0, count, step))
        panel.grid(visible=False, axis="x")
        panel.set_xlabel("weight")
        panel.set_ylabel("sd of the slope, 1/radian")
        add_legend(figure, handles, shown)
        svg, png = to_svg(figure), to_png(figure)
    facts = f" Without influence: {listing([f'w{j}' for j in dead])}." if dead else ""
    return Figure(
        label=f"Standard deviation of the slope of each of {count} weights.{facts}",
        caption="Standard deviation of ∂⟨P⟩/∂w over random weights and inputs, by weight. "
        "A cross marks a weight that no observable can notice, whatever the inputs.",
        svg=svg,
        png=png,
    )
