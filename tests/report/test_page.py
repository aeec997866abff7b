import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fedqml.report import write_report
from fedqml.report.document import compose
from fedqml.report.page import render_page
from fedqml.report.read import read_results
from tests.report.builders import CENTRAL
from tests.report.fake_results import (
    CIRCUIT_SVG,
    labels_of_tests,
    settings,
    split,
    write_run,
)
from tests.report.html_check import Element, parse

EVIL = '<script>alert("x")</script>&amp;'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return results with everything in them: names that attack, and runs of every kind."""
    results = tmp_path_factory.mktemp("results")
    people = split(3, 2, f"{EVIL} hospital")
    for seed in range(2):
        for epochs in (1, 2):
            write_run(
                results,
                title=EVIL,
                label=f"{EVIL} {epochs}",
                seed=seed,
                config=settings(local__epochs=epochs, local__use=EVIL),
                clients=people,
                classes=[EVIL, "benign"],
                circuit=CIRCUIT_SVG.replace("RY", f"RY{epochs}"),
            )
        write_run(results, title=EVIL, seed=seed, **CENTRAL)
    write_run(results, title=EVIL, seed=9, finished=False)
    write_run(results, name=f"another {EVIL}", title="", circuit="no drawing")
    (write_run(results, name="broken") / "summary.json").write_text(EVIL)
    return results


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return render_page(compose(read_results(folder)))


@pytest.fixture(scope="module")
def tree(page: str) -> Element:
    return parse(page)


def test_names_are_only_text(page: str, tree: Element) -> None:
    assert "<script" not in page
    assert not list(tree.all("script", "iframe", "object", "link", "img"))
    (heading,) = (h for h in tree.all("h2") if h.text == EVIL)
    assert heading.attributes["class"] == "title"


def test_nothing_is_loaded(page: str, tree: Element) -> None:
    for element in tree.all():
        assert "src" not in element.attributes
        target = element.attributes.get("href", "#")
        local = r"#[\w-]+|figures/[\w-]+\.(svg|png)|(table|runs|history)\.csv|report\.md|#"
        assert re.fullmatch(local, target), target
        assert not any(name.startswith("on") for name in element.attributes)
    assert "url(http" not in page
    assert "@import" not in page
    policy = next(m for m in tree.all("meta") if "http-equiv" in m.attributes)
    assert policy.attributes["content"].startswith("default-src 'none'")


def test_ids_are_unique_and_references_find_theirs(page: str, tree: Element) -> None:
    ids = [element.attributes["id"] for element in tree.all() if "id" in element.attributes]
    assert len(ids) > 100
    assert len(set(ids)) == len(ids)
    wanted = {
        e.attributes["href"][1:] for e in tree.all() if e.attributes.get("href", "")[:1] == "#"
    }
    wanted |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert wanted
    assert wanted <= set(ids)


def test_it_can_be_read_aloud(tree: Element) -> None:
    (html,) = tree.all("html")
    assert html.attributes["lang"] == "en"
    levels = [int(h.tag[1]) for h in tree.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in tree.all("table"):
        assert [c.text for c in table.all("caption")] != [""]
        assert all(th.attributes["scope"] in ("col", "row") for th in table.all("th"))
        columns = len(list(next(table.all("tr")).all("th")))
        assert all(len(list(tr.all("th", "td"))) == columns for tr in table.all("tr"))
    drawings = list(tree.all("svg"))
    assert len(drawings) >= 6
    assert all(d.attributes["role"] == "img" and d.attributes["aria-label"] for d in drawings)


def test_everything_is_there(folder: Path, tree: Element) -> None:
    text = " ".join(tree.text.split())
    for folder_name in (path.name for path in folder.iterdir()):
        assert folder_name in text
    for words in (
        "2 experiments: 7 finished runs, 1 unfinished run, 1 folder that could not be read.",
        "Federated and central training cannot be compared",
        f"{EVIL} 1 within 2 points of central",
        "fedqml run breast_cancer",
        "Unfinished runs, left out of the tables",
        "summary.json is not valid JSON",
        f"All settings of {EVIL} 2",
        f"{EVIL} hospital 2",
    ):
        assert words in text, words


def test_each_different_circuit_is_drawn_and_a_broken_one_written(tree: Element) -> None:
    drawn = [svg.text for svg in tree.all("svg") if "RY" in svg.text]
    assert [re.sub(r"\s", "", text) for text in drawn] == ["RY1", "RY2", "RY"]
    figures = [f for f in tree.all("figure") if not list(f.all("svg"))]
    (written,) = figures
    assert "RY─RZ" in next(written.all("pre")).text


def test_a_model_without_a_circuit(tmp_path: Path) -> None:
    write_run(tmp_path, circuit=None)
    tree = parse(render_page(compose(read_results(tmp_path))))
    assert "Circuit" not in [h.text for h in tree.all("h2", "h3")]


def test_one_experiment_gives_its_title_to_the_page(tmp_path: Path) -> None:
    write_run(tmp_path)
    write_run(tmp_path, **CENTRAL)
    tree = parse(render_page(compose(read_results(tmp_path))))
    assert [h.text for h in tree.all("h1", "title")] == ["Breast cancer, 20 hospitals"] * 2
    assert [h.text for h in tree.all("h2")] == [
        "Results",
        "Training",
        "Data on the clients",
        "Circuit",
        "Costs",
        "Reproduce",
        "Files",
    ]
    assert not list(tree.all("nav"))


def test_every_part_has_its_place(tmp_path: Path) -> None:
    labels = {
        "baseline": "central",
        "margin": 0.5,
        "published": {"source": EVIL, "arms": {EVIL: {"test_accuracy": 0.9}}},
    }
    more: dict[str, Any] = {
        "labels": labels,
        "predicted": [*labels_of_tests(2)[:-1], 0],
        "names": [EVIL] * 114,
        "about": {"title": EVIL, "url": f"https://example.org/{EVIL}"},
    }
    write_run(tmp_path / "r", label=EVIL, **more)
    write_run(tmp_path / "r", **CENTRAL, **more)
    page = write_report(tmp_path / "r", tmp_path / "report")
    tree = parse(page.read_text("utf-8"))
    assert [h.text for h in tree.all("h2")] == [
        "Results",
        "Published values",
        "Against the baseline",
        "Training",
        "Predictions",
        "Data",
        "Data on the clients",
        "Circuit",
        "Costs",
        "Reproduce",
        "Files",
    ]
    assert not list(tree.all("script", "img"))
    assert tree.text.count(EVIL) > 10
    beside = {a.attributes["href"] for a in tree.all("a") if a.attributes["href"].endswith("csv")}
    assert {"confusion.csv", "published.csv", "ablation.csv"} <= beside
    assert all((page.parent / name).is_file() for name in beside)
    markdown = (page.parent / "report.md").read_text("utf-8")
    assert "<script" not in markdown.replace("\\<", "")
    for block in re.findall(r"(?:^\|.*\n?)+", markdown, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1
    for words in ("**Beside the published values", "**Every arm minus central", "**Predictions on"):
        assert words in markdown


def test_names_of_experiments_never_share_a_file(tmp_path: Path) -> None:
    for name in ("a/b", "a b", "A-B", "../..", "医院"):
        folder = write_run(tmp_path, name=name, finished=False)
        (folder / "history.jsonl").unlink()  # nothing to draw, hence quick
        (folder / "data.json").unlink()
    stems = [section.stem for section in compose(read_results(tmp_path)).sections]
    assert len({stem.lower() for stem in stems}) == 5
    assert all(re.fullmatch(r"\w+(-\w+)*", stem, re.ASCII) for stem in stems)
