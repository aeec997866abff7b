"""The figure of what runs on a virtual clock had reached by when."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.lines import Line2D

from fedqml.report.arms import Arm, Experiment
from fedqml.report.formats import POINTS, is_fraction, listing, metric_name
from fedqml.report.plotting import Figure, add_legend, canvas, line_look, style, to_png, to_svg
from fedqml.report.results import TIME, Run

_HEIGHT = 3.0  # inches


def draw_over_time(experiment: Experiment) -> Figure | None:
    """Draw the accuracy, or without one the test loss, against virtual time.

    Args:
        experiment: its arms; unfinished ones stand in where none has finished.

    Returns:
        The figure, or None if no run has a virtual clock.
    """
    timed = (
        Arm(arm.label, arm.central, tuple(run for run in arm.runs if _is_timed(run)))
        for arm in experiment.arms or experiment.begun
    )
    arms = [arm for arm in timed if arm.runs]
    if not arms:
        return None
    column = (*experiment.metrics, "test_loss")[0]
    labels = [arm.label for arm in arms]
    with style():
        figure = canvas(1, _HEIGHT, labels)
        panel = figure.subplots()
        panel.set_xlabel("virtual time (s)")
        panel.set_ylabel(metric_name(column) + (" (%)" if is_fraction(column) else ""))
        handles = []
        for place, arm in enumerate(arms):
            color, dashes = line_look(place)
            times, values = over_time(arm, column)
            scaled = values * (POINTS if is_fraction(column) else 1.0)
            mean = scaled.mean(0)
            panel.plot(times, mean, drawstyle="steps-post", color=color, linestyle=dashes)
            if len(scaled) > 1:
                sd = scaled.std(0, ddof=1)
                band: dict[str, Any] = {
                    "step": "post",
                    "color": color,
                    "alpha": 0.18,
                    "linewidth": 0,
                }
                panel.fill_between(times, mean - sd, mean + sd, **band)
            handles.append(Line2D([], [], color=color, linestyle=dashes))
        add_legend(figure, handles, labels)
        svg, png = to_svg(figure), to_png(figure)
    what = metric_name(column).capitalize()
    return Figure(
        label=f"{what} against virtual time; {listing(labels)}.",
        caption=f"{what} of the newest global model at each moment of virtual time, which passes "
        "by the clients' paces and links and not by this machine. Lines are means over seeds, "
        "bands ± one standard deviation; a line ends where the first of its runs does.",
        svg=svg,
        png=png,
    )


def _is_timed(run: Run) -> bool:
    return bool(run.rounds) and all(TIME in row.values for row in run.rounds)


def over_time(
    arm: Arm, column: str
) -> tuple[Float[np.ndarray, " times"], Float[np.ndarray, "seeds times"]]:
    """Return the moments at which any seed's model changed, and each one's value from then on."""
    times = [np.array([row.values[TIME] for row in run.rounds], dtype=float) for run in arm.runs]
    values = [
        np.array([row.values.get(column, np.nan) for row in run.rounds], dtype=float)
        for run in arm.runs
    ]
    moments = np.unique(np.concatenate(times))
    moments = moments[moments <= min(own[-1] for own in times)]
    newest = [np.searchsorted(own, moments, side="right") - 1 for own in times]
    return moments, np.stack([own[i] for own, i in zip(values, newest, strict=True)])
