"""The figure of the training curves, laid out as in the paper."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fedqml.report.arms import Arm, Experiment
from fedqml.report.formats import POINTS, is_fraction, listing, metric_name
from fedqml.report.plotting import (
    Dashes,
    Figure,
    add_legend,
    canvas,
    line_look,
    style,
    to_png,
    to_svg,
)
from fedqml.report.published import measured_beside

_ROW_HEIGHT = 2.5  # inches
_PAPER_ROW_HEIGHT = 2.1  # of panels that are wider
_FEW_ROUNDS = 15
_PUBLISHED = "published"
_MARK: dict[str, Any] = {"marker": "D", "markersize": 6, "markerfacecolor": "none"}


def draw_curves(experiment: Experiment) -> Figure | None:
    """Draw losses and metrics against rounds, federated and central arms apart.

    Federated arms stand above, central ones below. An experiment with published values is drawn
    in the layout of the paper's figures, federated arms on the left and central ones on the
    right of them, the published values as marks at the right edge.

    Args:
        experiment: its arms; unfinished ones stand in where none has finished.

    Returns:
        The figure, or None if nothing was measured.

    Source: Chen and Yoo, "Federated Quantum Machine Learning", arXiv:2103.12010, Figs. 6 and 8.
    """
    candidates = experiment.arms or experiment.begun
    recorded = (
        Arm(arm.label, arm.central, tuple(run for run in arm.runs if run.rounds))
        for arm in candidates
    )
    arms = [arm for arm in recorded if arm.runs]
    # A panel without a single point would only raise questions.
    columns = [
        column
        for column in ("train_loss", "test_loss", *experiment.metrics)
        if any(np.isfinite(arm.curve(column)[1].mean(0)).any() for arm in arms)
    ]
    if not columns:
        return None
    by_kind = (
        ("Federated", [arm for arm in arms if not arm.central]),
        ("Central", [arm for arm in arms if arm.central]),
    )
    rows = [(kind, members) for kind, members in by_kind if members]
    labels = [arm.label for arm in arms]
    looks = {label: line_look(place) for place, label in enumerate(labels)}
    marks = {(b.arm.label, b.quantity): b.theirs for b in measured_beside(experiment)}
    paper = experiment.labels.published is not None and len(rows) > 1
    names = [*labels, *([_PUBLISHED] if marks else [])]
    with style():
        if paper:
            figure = canvas(len(columns), _PAPER_ROW_HEIGHT, names)
            shape = len(columns), len(rows)
            panels = figure.subplots(*shape, sharex=True, sharey="row", squeeze=False).T
        else:
            figure = canvas(len(rows), _ROW_HEIGHT, names)
            shape = len(rows), len(columns)
            panels = figure.subplots(*shape, sharex=True, sharey="col", squeeze=False)
        for (kind, members), line in zip(rows, panels, strict=True):
            line[0].set_title(kind, loc="left")
            for column, panel in zip(columns, line, strict=True):
                panel.set_ylabel(metric_name(column) + (" (%)" if is_fraction(column) else ""))
                for arm in members:
                    _draw_arm(panel, arm, column, *looks[arm.label])
                    _draw_mark(panel, marks.get((arm.label, column)), column, looks[arm.label][0])
        for panel in panels[:, -1] if paper else panels[-1]:
            panel.set_xlabel("round")
            panel.locator_params(axis="x", integer=True)
        handles = [Line2D([], [], color=c, linestyle=d) for c, d in looks.values()]
        if marks:
            handles.append(Line2D([], [], color="#555555", linestyle="", **_MARK))
        add_legend(figure, handles, names)
        svg, png = to_svg(figure), to_png(figure)
    what = listing([metric_name(column) for column in columns]).capitalize()
    return Figure(
        label=f"{what} against rounds; {listing(labels)}.",
        caption=_caption(what, arms, bool(experiment.arms), paper, bool(marks)),
        svg=svg,
        png=png,
    )


def _draw_arm(panel: Axes, arm: Arm, column: str, color: str, dashes: Dashes) -> None:
    rounds, values = arm.curve(column)
    scaled = values * (POINTS if is_fraction(column) else 1.0)
    mean = scaled.mean(0)
    # A few rounds are points; a line through a single one would be invisible.
    marker = "o" if np.isfinite(mean).sum() <= _FEW_ROUNDS else None
    panel.plot(rounds, mean, marker=marker, markersize=3, color=color, linestyle=dashes)
    if len(scaled) > 1:
        sd = scaled.std(0, ddof=1)
        panel.fill_between(rounds, mean - sd, mean + sd, color=color, alpha=0.18, linewidth=0)


def _draw_mark(panel: Axes, value: float | None, column: str, color: str) -> None:
    """Draw a published value at the right edge, over whatever ends there."""
    if value is None:
        return
    scaled = value * (POINTS if is_fraction(column) else 1.0)
    edge = panel.get_yaxis_transform()
    panel.plot([1.0], [scaled], transform=edge, color=color, clip_on=False, zorder=5, **_MARK)


def _caption(what: str, arms: list[Arm], finished: bool, paper: bool, marks: bool) -> str:
    seeds = {len(arm.runs) for arm in arms}
    meaning = (
        "Each line is the run of one seed."
        if seeds == {1}
        else "Lines are means over seeds, bands ± one standard deviation; an arm without a band "
        "has one seed."
        if 1 in seeds
        else "Lines are means over seeds, bands ± one standard deviation."
    )
    whose = "" if finished else ", of runs that have not finished"
    shared = "row" if paper else "column"
    text = f"{what} after each round{whose}. {meaning} Panels of a {shared} share their scale."
    if marks:
        text += " Diamonds at the right edge are the published values, each after its last round."
    return text
