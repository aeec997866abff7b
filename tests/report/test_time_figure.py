"""Runs on a virtual clock in the report."""

import math
from pathlib import Path

import numpy as np

from fedqml.report.read import read_results
from fedqml.report.tables import costs_table
from fedqml.report.time_figure import draw_over_time, over_time
from fedqml.report.write import write_report
from tests.report.builders import experiment
from tests.report.fake_results import settings, write_run
from tests.report.test_figures import texts


def timed(folder: Path, seed: int = 0, times: list[float] | None = None, **more) -> None:
    extra = {"time": times or [0.0, 2.0, 5.0], "staleness": [[], [0, 1], [2, 3]]}
    write_run(folder, seed=seed, extra=extra, label="buffered", **more)


def test_the_newest_model_counts_until_the_next_one(tmp_path: Path) -> None:
    timed(tmp_path, accuracy=[0.5, 0.8, 0.9])
    timed(tmp_path, seed=1, times=[0.0, 1.0, 4.0], accuracy=[0.4, 0.6, 0.7])
    (arm,) = experiment(tmp_path).arms
    moments, values = over_time(arm, "test_accuracy")
    assert moments.tolist() == [0.0, 1.0, 2.0, 4.0]  # 5.0 is beyond the end of the second
    np.testing.assert_array_equal(values, [[0.5, 0.5, 0.8, 0.8], [0.4, 0.6, 0.6, 0.7]])


def test_only_arms_with_a_clock_are_drawn(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert draw_over_time(experiment(tmp_path)) is None
    timed(tmp_path, config={**settings(), "clock": {"use": "asynchronous"}})
    figure = draw_over_time(experiment(tmp_path))
    assert figure is not None
    words = texts(figure)
    assert {"virtual time (s)", "test accuracy (%)", "buffered"} <= set(words)
    assert "federated" not in words


def test_costs_tell_virtual_time_and_staleness(tmp_path: Path) -> None:
    timed(tmp_path)
    table = costs_table(experiment(tmp_path))
    assert table.head[-2:] == ("Virtual time", "Staleness")
    assert [cell.replace("\xa0", " ") for cell in table.rows[0][-2:]] == ["5.0 s", "1.50"]


def test_a_history_says_how_stale_its_rounds_were(tmp_path: Path) -> None:
    timed(tmp_path)
    (run,) = read_results(tmp_path).runs
    first, *rest = (row.values["staleness"] for row in run.rounds)
    assert math.isnan(first)
    assert rest == [0.5, 2.5]


def test_late_clients_have_no_staleness(tmp_path: Path) -> None:
    write_run(tmp_path, extra={"time": [0.0, 2.0, 5.0], "staleness": [[], [None, 1], [None, None]]})
    (run,) = read_results(tmp_path).runs
    _, one, none = (row.values["staleness"] for row in run.rounds)
    assert one == 1
    assert math.isnan(none)


def test_the_report_has_the_figure(tmp_path: Path) -> None:
    timed(tmp_path / "results")
    page = write_report(tmp_path / "results", tmp_path / "report")
    assert (page.parent / "figures/breast_cancer-time.svg").exists()
    assert "figures/breast_cancer-time.svg" in page.read_text()
    assert "figures/breast_cancer-time.svg" in (page.parent / "report.md").read_text()
