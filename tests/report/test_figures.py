import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

from fedqml.report.curves import draw_curves
from fedqml.report.plotting import Figure, fill_colours, line_look
from fedqml.report.split import splits
from fedqml.report.split_figure import draw_splits
from tests.report.builders import CENTRAL, compare, experiment
from tests.report.fake_results import settings, split, write_run

SVG = "{http://www.w3.org/2000/svg}"


def texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(figure.svg)
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def groups(figure: Figure, prefix: str) -> int:
    root = ElementTree.fromstring(figure.svg)
    return sum(element.get("id", "").startswith(prefix) for element in root.iter(f"{SVG}g"))


def curves(folder: Path) -> Figure:
    figure = draw_curves(experiment(folder))
    assert figure is not None
    return figure


def split_figure(folder: Path) -> Figure:
    figure = draw_splits(splits(experiment(folder)))
    assert figure is not None
    return figure


def test_the_papers_layout(tmp_path: Path) -> None:
    values = {0: [0.5, 0.7, 0.9], 1: [0.5, 0.8, 0.9]}
    compare(tmp_path, values, values)
    figure = curves(tmp_path)
    words = texts(figure)
    for label in ("training loss", "test loss", "test accuracy (%)"):
        assert words.count(label) == 2
    assert {"Federated", "Central", "federated", "central", "round"} <= set(words)
    assert groups(figure, "axes_") == 6
    assert "bands ± one standard deviation" in figure.caption


@pytest.mark.parametrize("central", [True, False])
def test_one_kind_of_arm_has_one_row(tmp_path: Path, central: bool) -> None:
    write_run(tmp_path, **(CENTRAL if central else {}))
    figure = curves(tmp_path)
    assert groups(figure, "axes_") == 3
    assert ("Central" in texts(figure)) is central
    assert "Each line is the run of one seed." in figure.caption


def test_a_further_metric_has_a_panel(tmp_path: Path) -> None:
    write_run(tmp_path, extra={"test_f1": [0.1, 0.2, 0.3]})
    figure = curves(tmp_path)
    assert groups(figure, "axes_") == 4
    assert "test f1" in texts(figure)


def test_no_round_no_figure(tmp_path: Path) -> None:
    (write_run(tmp_path, finished=False) / "history.jsonl").unlink()
    assert draw_curves(experiment(tmp_path)) is None


def test_unfinished_runs_are_drawn_only_where_nothing_has_finished(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, finished=False)
    (write_run(tmp_path, seed=1, finished=False) / "history.jsonl").write_text("")
    assert "of runs that have not finished" in curves(tmp_path).caption
    write_run(tmp_path, label="another", config=settings(local__epochs=9))
    assert "federated" not in texts(curves(tmp_path))


def test_what_was_not_measured_leaves_a_gap_or_its_panel_out(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, accuracy=[0.5, None, 0.7], loss=[None] * 3)
    write_run(tmp_path, seed=1, accuracy=[0.5, 0.6, 0.7], loss=[None] * 3)
    figure = curves(tmp_path)
    assert groups(figure, "axes_") == 1
    assert figure.caption.startswith("Test accuracy after each round.")


def test_nothing_measured_no_figure(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=[None] * 3)
    assert draw_curves(experiment(tmp_path)) is None


@pytest.mark.parametrize("label", ["_hidden", "costs $5 and $6", "医院", "<b>&amp;"])
def test_any_label_can_be_drawn(tmp_path: Path, label: str) -> None:
    write_run(tmp_path, label=label, clients=split(3, 2, label), classes=[label, "other"])
    assert label in texts(curves(tmp_path))
    assert label in texts(split_figure(tmp_path))


def test_long_labels_stay_inside_the_figure(tmp_path: Path) -> None:
    for clients in (3, 4):
        label = f"{'a long sweep, ' * 20}clients = {clients}"
        config = settings(partition__clients=clients)
        write_run(tmp_path, label=label, clients=split(clients), config=config)
    for figure in (curves(tmp_path), split_figure(tmp_path)):
        assert any("…" in text and text.endswith("clients = 4") for text in texts(figure))
        _nothing_touches_the_edge(figure)


def test_thirty_arms_have_different_looks_and_a_legend_inside_the_figure(tmp_path: Path) -> None:
    for lr in range(28):
        write_run(tmp_path, label=f"local.lr = {lr}", config=settings(local__lr=lr))
    figure = curves(tmp_path)
    assert {f"local.lr = {lr}" for lr in range(28)} <= set(texts(figure))
    assert len({line_look(place) for place in range(28)}) == 28
    _nothing_touches_the_edge(figure)


def _nothing_touches_the_edge(figure: Figure) -> None:
    pixels = np.asarray(Image.open(BytesIO(figure.png)).convert("L"))
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (edge == 255).all()


@pytest.mark.parametrize("clients", [1, 20, 300])
def test_a_bar_a_client_and_class(tmp_path: Path, clients: int) -> None:
    write_run(tmp_path, clients=split(clients, 3), classes=["a", "b", "c"])
    figure = split_figure(tmp_path)
    # Patches besides the bars: the figure, the panel, its two visible spines, three legend keys.
    assert groups(figure, "patch_") == clients * 3 + 7
    _nothing_touches_the_edge(figure)


def test_numbers_of_a_hundred_clients_do_not_touch(tmp_path: Path) -> None:
    write_run(tmp_path, clients=split(100))
    words = texts(split_figure(tmp_path))
    assert words[: words.index("client")] == [str(number) for number in range(0, 100, 5)]


def test_owners_name_their_bars(tmp_path: Path) -> None:
    write_run(tmp_path, clients=split(4, 2, "Universitätsklinikum der Stadt"))
    figure = split_figure(tmp_path)
    assert "Universit… Stadt 3" in texts(figure)
    _nothing_touches_the_edge(figure)


@pytest.mark.parametrize(("classes", "named"), [(2, 2), (10, 10), (20, 20), (100, 2)])
def test_classes_in_the_legend(tmp_path: Path, classes: int, named: int) -> None:
    names = [f"class {place}" for place in range(classes)]
    write_run(tmp_path, clients=split(3, classes), classes=names)
    figure = split_figure(tmp_path)
    assert sum(text.startswith("class ") for text in texts(figure)) == named
    assert ("run from class class 0 to" in figure.caption) is (named < classes)


def test_different_splits_have_a_panel_each(tmp_path: Path) -> None:
    for clients in (3, 5):
        config = settings(partition__clients=clients)
        write_run(tmp_path, label=f"k = {clients}", clients=split(clients), config=config)
    figure = split_figure(tmp_path)
    assert {"k = 3", "k = 5"} <= set(texts(figure))
    assert "k = 3: " in figure.caption
    assert "over 5 clients" in figure.caption


def test_no_split_no_figure() -> None:
    assert draw_splits([]) is None


@pytest.mark.parametrize("number", [1, 2, 7, 10, 11, 100])
def test_every_class_has_its_colour(number: int) -> None:
    assert len(set(fill_colours(number))) == number


def test_the_users_matplotlib_settings_neither_matter_nor_change(tmp_path: Path) -> None:
    write_run(tmp_path)
    plain = curves(tmp_path)
    mine: dict[str, Any] = {"font.size": 33.0, "svg.hashsalt": "mine", "axes.grid": False}
    with matplotlib.rc_context(mine):
        before = dict(matplotlib.rcParams)
        assert curves(tmp_path) == plain
        assert dict(matplotlib.rcParams) == before


PUBLISHED: dict[str, Any] = {
    "published": {
        "source": "S",
        "arms": {
            "epochs = 1": {"train_loss": 0.4, "test_loss": 0.41, "test_accuracy": 0.934},
            "central": {"test_accuracy": 0.9365},
        },
    }
}


def reproduction(folder: Path, **more: Any) -> Figure:
    for epochs in (1, 2, 4):
        config = settings(local__epochs=epochs)
        write_run(folder, label=f"epochs = {epochs}", config=config, labels=PUBLISHED, **more)
    write_run(folder, labels=PUBLISHED, **CENTRAL, **more)
    return curves(folder)


def test_published_values_bring_the_layout_of_the_papers_figures(tmp_path: Path) -> None:
    figure = reproduction(tmp_path)
    words = texts(figure)
    assert groups(figure, "axes_") == 6
    assert {"Federated", "Central", "epochs = 1", "epochs = 4", "central", "published"} <= set(
        words
    )
    assert "Panels of a row share their scale. Diamonds at the right edge" in figure.caption
    # Federated training on the left: its title comes first and its three panels below it.
    boxes = panel_boxes(figure)
    left, right = boxes[::2], boxes[1::2]  # drawn row by row
    assert len({round(box[0]) for box in left}) == len({round(box[0]) for box in right}) == 1
    assert left[0][0] < right[0][0]
    assert [round(a[1]) for a in left] == [round(b[1]) for b in right]
    assert len({round(box[1]) for box in left}) == 3
    _nothing_touches_the_edge(figure)


def panel_boxes(figure: Figure) -> list[tuple[float, float]]:
    """Return the left lower corner of each panel's background, in the order of drawing."""
    root = ElementTree.fromstring(figure.svg)
    panels = [g for g in root.iter(f"{SVG}g") if g.get("id", "").startswith("axes_")]
    corners = []
    for panel in panels:
        path = next(panel.iter(f"{SVG}path")).get("d", "")
        x, y = path.split()[1:3]
        corners.append((float(x), float(y)))
    return corners


def diamonds(figure: Figure) -> int:
    """Return how many markers of published values are drawn, the legend's included."""
    root = ElementTree.fromstring(figure.svg)
    hollow = {
        "#" + path.get("id", "")
        for path in root.iter(f"{SVG}path")
        if path.get("d", "").count("L") == 3 and "M -0 " in path.get("d", "")
    }
    uses = (use.get("{http://www.w3.org/1999/xlink}href") for use in root.iter(f"{SVG}use"))
    return sum(use in hollow for use in uses)


def test_each_published_value_is_a_mark(tmp_path: Path) -> None:
    assert diamonds(reproduction(tmp_path / "a")) == 4 + 1
    write_run(tmp_path / "b")
    assert diamonds(curves(tmp_path / "b")) == 0


def test_published_values_far_away_are_in_the_picture(tmp_path: Path) -> None:
    far = {"published": {"source": "S", "arms": {"federated": {"test_loss": 9.0}}}}
    write_run(tmp_path, labels=far)
    write_run(tmp_path, labels=far, **CENTRAL)
    words = texts(curves(tmp_path))
    assert "8" in words  # a tick of the axis that reaches up to 9
    _nothing_touches_the_edge(curves(tmp_path))


def test_published_values_without_central_training_keep_one_row(tmp_path: Path) -> None:
    said = {"published": {"source": "S", "arms": {"federated": {"test_loss": 0.4}}}}
    write_run(tmp_path, labels=said)
    figure = curves(tmp_path)
    assert groups(figure, "axes_") == 3
    assert "Panels of a column share their scale. Diamonds" in figure.caption
    assert diamonds(figure) == 1 + 1


def test_a_published_arm_that_is_not_there_leaves_no_mark(tmp_path: Path) -> None:
    said = {"published": {"source": "S", "arms": {"nobody": {"test_loss": 0.4}}}}
    write_run(tmp_path, labels=said)
    write_run(tmp_path, labels=said, **CENTRAL)
    figure = curves(tmp_path)
    assert "published" not in texts(figure)
    assert "Diamonds" not in figure.caption
