import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fedqml.report import write_report
from fedqml.report.about import Source, sources
from tests.report.builders import experiment
from tests.report.fake_results import settings, write_run
from tests.report.html_check import Element, parse

EVIL = '<script>alert("x")</script>'


def png() -> str:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def page(folder: Path, about: dict[str, Any]) -> tuple[Element, str]:
    write_run(folder / "r", about=about)
    text = write_report(folder / "r", folder / "report").read_text("utf-8")
    return parse(text), text


def only(folder: Path, about: dict[str, Any]) -> Source:
    write_run(folder, about=about)
    (source,) = sources(experiment(folder))
    return source


def test_nothing_said_nothing_shown(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    assert sources(experiment(tmp_path)) == ()
    write_run(tmp_path, seed=1, about={})
    assert sources(experiment(tmp_path)) == ()


def test_what_a_source_says(tmp_path: Path) -> None:
    write_run(
        tmp_path,
        about={
            "title": "Dogs vs Cats",
            "url": "https://example.org/data",
            "licence": "see the site",
            "left_out": [["train/cat.666.jpg", "truncated"], {"name": "b", "reason": "no JPEG"}],
            "features": {"network": "VGG16", "size": 224},
            "components": 25,
        },
    )
    (source,) = sources(experiment(tmp_path))
    assert (source.title, source.link, source.licence) == (
        "Dogs vs Cats",
        "https://example.org/data",
        "see the site",
    )
    assert source.facts is not None
    assert source.facts.rows == (
        ("features.network", "VGG16"),
        ("features.size", "224"),
        ("components", "25"),
    )
    assert source.left_out is not None
    assert source.left_out.caption == "Left out of Dogs vs Cats (2)"
    assert source.left_out.rows == (("train/cat.666.jpg", "truncated"), ("b", "no JPEG"))
    assert source.samples == ()


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "https:", "http://[", "http://a b", 3, EVIL]
)
def test_an_address_that_is_none_is_no_link(tmp_path: Path, url: Any) -> None:
    source = only(tmp_path, {"title": "T", "url": url})
    assert source.link == ""
    assert source.facts is not None
    assert source.facts.rows == (("url", str(url)),)  # not kept back either


@pytest.mark.parametrize(
    "samples",
    [
        [png()],
        {"cat": [png()]},
        [{"name": "cat", "png": png()}],
        {"cat": png()},
    ],
)
def test_samples_are_shown_however_they_are_listed(tmp_path: Path, samples: Any) -> None:
    (sample,) = only(tmp_path, {"title": "T", "samples": samples}).samples
    assert sample.png == png()
    assert sample.caption in ("", "cat")


@pytest.mark.parametrize(
    "samples",
    [
        ["no base64!"],
        [base64.b64encode(b"<svg onload='x'>").decode()],
        [base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 400_000).decode()],
        ["https://example.org/a.png"],
        ["\u00e9"],
        [None, 3, {"png": 3}],
        "",
        3,
    ],
)
def test_what_is_no_small_png_is_not_shown(tmp_path: Path, samples: Any) -> None:
    assert only(tmp_path, {"title": "T", "samples": samples}).samples == ()


def test_a_source_that_may_not_show_its_images_does_not(tmp_path: Path) -> None:
    assert only(tmp_path, {"title": "T", "samples": [png()], "may_show": False}).samples == ()


def test_hostile_texts_are_only_text(tmp_path: Path) -> None:
    about = {
        "title": EVIL,
        "licence": EVIL,
        EVIL: EVIL,
        "left_out": [[EVIL, EVIL], ["\udcff.jpg", "bad name"]],
        "samples": {f'"{EVIL}': png()},
    }
    tree, text = page(tmp_path, about)
    assert "<script" not in text
    assert not list(tree.all("script"))
    assert tree.text.count(EVIL) >= 6
    (image,) = tree.all("img")
    assert image.attributes["src"] == f"data:image/png;base64,{png()}"
    assert image.attributes["alt"] == f'"{EVIL}'
    markdown = (tmp_path / "report" / "report.md").read_text("utf-8")
    assert "<script" not in markdown.replace("\\<", "")


@pytest.mark.parametrize("left_out", [None, [], {}, "", 0])
def test_nothing_left_out(tmp_path: Path, left_out: Any) -> None:
    write_run(tmp_path, about={"title": "T", "left_out": left_out})
    (source,) = sources(experiment(tmp_path))
    assert source.left_out is None


def test_long_lists_are_cut_and_the_rest_is_counted(tmp_path: Path) -> None:
    about = {"left_out": {f"{n}.jpg": "bad" for n in range(100)}, **{f"k{n}": n for n in range(70)}}
    write_run(tmp_path, about=about)
    (source,) = sources(experiment(tmp_path))
    assert source.left_out is not None
    assert source.facts is not None
    assert (len(source.left_out.rows), source.left_out.notes) == (20, ("80 more in data.json.",))
    assert (len(source.facts.rows), source.facts.notes) == (60, ("10 further facts in data.json.",))


def test_arms_with_other_data_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path, label="a", about={"title": "A"})
    write_run(tmp_path, label="b", about={"title": "B"}, config=settings(local__epochs=2))
    assert [source.title for source in sources(experiment(tmp_path))] == ["A (a)", "B (b)"]
