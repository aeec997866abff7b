import re
from pathlib import Path

import pytest

from fedqml.report.document import compose
from fedqml.report.markdown import render_markdown
from fedqml.report.read import read_results
from tests.report.builders import CENTRAL
from tests.report.fake_results import settings, write_run


def render(results: Path) -> str:
    return render_markdown(compose(read_results(results)))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    results = tmp_path_factory.mktemp("results")
    for epochs in (1, 2):
        config = settings(local__epochs=epochs)
        write_run(results, label=f"epochs = {epochs}", config=config, accuracy=[0.5, 0.94])
    write_run(results, accuracy=[0.5, 0.95], **CENTRAL)
    write_run(results, seed=5, finished=False)
    return render(results)


def test_the_sentences_and_tables_of_the_page(text: str) -> None:
    assert text.startswith("# Breast cancer, 20 hospitals\n")
    assert "- **epochs = 1: within 2 points of central so far.** 1.00 points below central" in text
    assert "![" in text
    assert "](figures/breast_cancer-curves.svg)" in text
    assert "](figures/breast_cancer-split.svg)" in text
    assert "```text\nfedqml run breast_cancer\n```" in text
    for caption in (
        "After the last round",
        "What a run cost",
        "Environment of the runs",
        "Settings in which the arms differ",
        "Finished runs",
        "Unfinished runs",
        "Settings of epochs = 2",
    ):
        assert f"**{caption}" in text


def test_every_row_has_as_many_cells_as_its_head(text: str) -> None:
    widths = set()
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        rows = [len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()]
        assert len(set(rows)) == 1
        assert re.match(r"^\|( (:--|--:) \|)+$", block.splitlines()[1])
        widths.add(rows[0])
    assert len(widths) > 2


def test_names_are_only_text(tmp_path: Path) -> None:
    write_run(tmp_path, title="<script>a</script>\n# *b*", label="a|b [c](d) _e_ `f`\n| g")
    text = render(tmp_path)
    assert "<script" not in text.replace("\\<", "")
    assert text.startswith("# \\<script\\>a\\</script\\> \\# \\*b\\*\n")
    assert "| a\\|b \\[c\\](d) \\_e\\_ \\`f\\` \\| g |" in text


def test_a_fence_is_longer_than_what_it_holds(tmp_path: Path) -> None:
    (write_run(tmp_path) / "circuit.txt").write_text("```\n# not a heading\n")
    assert "````text\n```\n# not a heading\n````" in render(tmp_path)


def test_several_experiments_have_headings(tmp_path: Path) -> None:
    write_run(tmp_path, name="a", title="First")
    write_run(tmp_path, name="b", title="Second")
    (tmp_path / "0123456789abcdef").mkdir()
    text = render(tmp_path)
    assert text.startswith("# Results of federated training\n")
    assert "\n## First\n" in text
    assert "\n## Second\n" in text
    assert "| 0123456789abcdef | experiment.json is missing. |" in text
