"""The figure of how the data lie on the clients."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from fedqml.report.formats import listing, shorten
from fedqml.report.plotting import (
    LINE_CHARACTERS,
    Figure,
    add_legend,
    canvas,
    fill_colours,
    style,
    to_png,
    to_svg,
)
from fedqml.report.split import Split, describe

_PANEL_HEIGHT = 2.5  # inches
_NAMED_CLASSES = 20
_NAMED_CLIENTS = 30
_LONGEST_NAME = 18  # characters


def draw_splits(splits: Sequence[Split]) -> Figure | None:
    """Draw each client's examples as a bar, stacked by class; a panel for each different split.

    Where the clients' features carry noise, dots on a second axis are its standard deviation.

    Args:
        splits: the different splits of an experiment.

    Returns:
        The figure, or None without a split.
    """
    if not splits:
        return None
    classes = max((split.classes for split in splits), key=len)
    colours = fill_colours(len(classes))
    # A legend of hundreds of classes would be larger than the figure: name the ends of the scale.
    named = range(len(classes)) if len(classes) <= _NAMED_CLASSES else (0, len(classes) - 1)
    names = [classes[place] for place in named] if len(classes) > 1 else []
    with style():
        figure = canvas(len(splits), _PANEL_HEIGHT, names)
        for split, panel in zip(
            splits, figure.subplots(len(splits), squeeze=False).flat, strict=True
        ):
            _draw_split(panel, split, colours)
            if len(splits) > 1:
                panel.set_title(shorten(listing(split.arms), LINE_CHARACTERS), loc="left")
        if names:
            add_legend(figure, [Patch(color=colours[place]) for place in named], names)
        svg, png = to_svg(figure), to_png(figure)
    seeds = listing([str(seed) for seed in sorted({split.seed for split in splits})])
    caption = f"Training examples of each client by class, first seed ({seeds})."
    if len(names) < len(classes) > 1:
        caption += f" The colours run from class {names[0]} to class {names[-1]}."
    facts = [
        describe(split) if len(splits) == 1 else f"{listing(split.arms)}: {describe(split)}"
        for split in splits
    ]
    return Figure(
        label=" ".join(["Training examples of each client, stacked by class.", *facts]),
        caption=" ".join([caption, *facts]),
        svg=svg,
        png=png,
    )


def _draw_split(panel: Axes, split: Split, colours: Sequence[str]) -> None:
    counts = split.counts
    places = np.arange(len(counts))
    bottom = np.zeros(len(counts))
    for column, colour in zip(counts.T, colours, strict=False):
        panel.bar(places, column, bottom=bottom, width=0.85, color=colour)
        bottom += column
    panel.set_ylabel("training examples")
    panel.set_xlim(-0.75, len(counts) - 0.25)
    panel.locator_params(axis="y", integer=True)
    panel.grid(visible=False, axis="x")
    noise = [client.noise for client in split.data.clients]
    if any(noise):
        beside = panel.twinx()
        beside.plot(places, noise, "ko--", linewidth=1.0, markersize=4, markerfacecolor="white")
        beside.set_ylabel("noise (standard deviation)")
        beside.set_ylim(bottom=0)
        beside.grid(visible=False)
        beside.spines["right"].set_visible(True)
    owned = any(client.owner for client in split.data.clients)
    if owned and len(counts) <= _NAMED_CLIENTS:
        names = [shorten(name, _LONGEST_NAME) for name in split.clients]
        panel.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor")
    else:
        step = _tick_step(len(counts))
        numbers = [str(client.number) for client in split.data.clients]
        panel.set_xticks(places[::step], numbers[::step])
        panel.set_xlabel("client")


def _tick_step(clients: int) -> int:
    """Return every how many clients to write a number, so that none touches the next."""
    return next(
        step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, clients) if clients <= 30 * step
    )
