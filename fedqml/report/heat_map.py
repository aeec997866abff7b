"""Heat maps of shares, such as accuracies of many runs, with the spread written into each field."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from fedqml.report.plotting import Figure, canvas, style, to_png, to_svg

_FIELD_HEIGHT, _HEAD = 0.27, 0.75  # inches
_DARK = 0.55  # of the scale, below which text is white


def draw_heat_maps(
    panels: Mapping[str, Float[np.ndarray, "rows columns seeds"]],
    rows: Sequence[str],
    columns: Sequence[str],
    quantity: str,
) -> Figure:
    """Draw tables of shares as fields of colour, in percent: mean ± standard deviation over seeds.

    Args:
        panels: title and values of each table, from 0 to 1; a field of NaN is left grey.
        rows: their names.
        columns: their names.
        quantity: what the values are.

    Returns:
        The figure.
    """
    with style():
        figure = canvas(len(panels), _FIELD_HEIGHT * len(rows) + _HEAD, [])
        axes = np.atleast_1d(figure.subplots(len(panels), 1))
        for panel, (title, values) in zip(axes, panels.items(), strict=True):
            mean = values.mean(2)
            image = panel.imshow(100 * mean, aspect="auto", cmap="viridis", vmin=0, vmax=100)
            panel.set_facecolor("#dddddd")
            panel.grid(visible=False)
            panel.set_title(title, loc="left")
            panel.set_yticks(range(len(rows)), rows)
            panel.set_xticks(range(len(columns)), columns)
            panel.tick_params(length=0)
            panel.spines[:].set_visible(False)
            for (row, column), value in np.ndenumerate(mean):
                text, colour = "-", "black"
                if np.isfinite(value):
                    text = _with_spread(values[row, column])
                    colour = "white" if value < _DARK else "black"
                panel.text(column, row, text, ha="center", va="center", color=colour, size=8)
        figure.colorbar(image, ax=list(axes), label=f"{quantity}, %", aspect=50, pad=0.01)
        svg, png = to_svg(figure), to_png(figure)
    return Figure(
        label=f"{quantity} by {', '.join(rows)}, under {', '.join(columns)}: "
        + "; ".join(panels)
        + ".",
        caption="Mean ± standard deviation over seeds, in percent; grey where the rule is not "
        "defined.",
        svg=svg,
        png=png,
    )


def _with_spread(values: Float[np.ndarray, " seeds"]) -> str:
    mean = f"{100 * values.mean():.0f}"
    return mean if len(values) == 1 else f"{mean} ± {100 * values.std(ddof=1):.0f}"
