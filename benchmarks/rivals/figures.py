"""The figures of the report, from the rows of the CSV file."""

from collections.abc import Callable, Sequence
from typing import Any

from fedqml.report.plotting import add_legend, canvas, line_look, style, to_svg

Row = dict[str, Any]
Panel = tuple[str, Sequence[Row]]
"""A title and the rows shown below it."""

_HEIGHT = 3.6  # inches


def lines(
    panels: Sequence[Panel], across: str, label: str, value: Callable[[Row], float | None]
) -> bytes:
    """Return panels side by side with a line for each rival, as SVG.

    Args:
        panels: what to show.
        across: the field on the horizontal axis.
        label: what the vertical axis says.
        value: the height of a row's point; None for no point.
    """
    rivals = list(dict.fromkeys(row["rival"] for _, rows in panels for row in rows))
    with style():
        figure = canvas(1, _HEIGHT, rivals)
        drawn = {}
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (title, rows) in zip(axes, panels, strict=True):
            for place, rival in enumerate(rivals):
                own = [(r[across], value(r)) for r in rows if r["rival"] == rival]
                points = [(x, y) for x, y in own if y is not None]
                if points:
                    colour, dashes = line_look(place)
                    drawn[rival], *_ = axis.plot(
                        *zip(*points, strict=True), color=colour, linestyle=dashes, marker="."
                    )
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.set_title(title)
            axis.set_xlabel(across)
            ticks = sorted({row[across] for row in rows})
            if across == "clients":
                axis.set_xscale("log")
            axis.set_xticks(ticks, list(map(str, ticks)), minor=False)
            axis.set_xticks([], minor=True)
        axes[0].set_ylabel(label)
        add_legend(figure, list(drawn.values()), list(drawn))
        return to_svg(figure)
