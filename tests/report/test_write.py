import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.report import write_report
from tests.report.builders import CENTRAL
from tests.report.fake_results import split, write_run
from tests.report.html_check import parse

FILES = {
    "index.html",
    "report.md",
    "table.csv",
    "runs.csv",
    "history.csv",
    "figures/breast_cancer-curves.svg",
    "figures/breast_cancer-curves.png",
    "figures/breast_cancer-split.svg",
    "figures/breast_cancer-split.png",
}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for seed in range(2):
        write_run(folder, seed=seed, clients=split(100))
        write_run(folder, seed=seed, **CENTRAL)
    return folder


def test_the_files(results: Path, tmp_path: Path) -> None:
    page = write_report(results, tmp_path / "new" / "report")
    assert page == tmp_path / "new" / "report" / "index.html"
    found = contents(page.parent)
    assert found.keys() == FILES
    assert all(found.values())
    assert found["figures/breast_cancer-curves.png"].startswith(b"\x89PNG")
    links = {
        element.attributes["href"]
        for element in parse(page.read_text("utf-8")).all("a")
        if not element.attributes["href"].startswith("#")
    }
    assert links == FILES - {"index.html"}


def test_the_same_results_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    first = contents(write_report(results, tmp_path / "a").parent)
    # Another process has another order of its sets and other object addresses.
    code = (
        "import sys; from pathlib import Path; from fedqml.report import write_report; "
        "write_report(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(results), str(tmp_path / "b")],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "123", "TZ": "Asia/Tokyo"},
    )
    assert contents(tmp_path / "b") == first
    # Writing over an older report changes nothing either.
    write_report(results, tmp_path / "b")
    assert contents(tmp_path / "b") == first


def test_torch_is_never_imported(results: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fedqml.report import write_report; "
        "write_report(Path(sys.argv[1]), Path(sys.argv[2])); "
        "print(sorted(m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(results), str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_the_report_may_lie_among_the_results(tmp_path: Path) -> None:
    write_run(tmp_path, clients=split(2))
    write_report(tmp_path, tmp_path / "report")
    before = contents(tmp_path / "report")
    write_report(tmp_path, tmp_path / "report")
    assert contents(tmp_path / "report") == before


def test_nothing_has_finished(tmp_path: Path) -> None:
    write_run(tmp_path / "results", finished=False)
    text = parse(write_report(tmp_path / "results", tmp_path / "report").read_text("utf-8")).text
    assert "No run has finished: 1 run begun, the furthest at round 2." in text
    assert "1 experiment: 0 finished runs, 1 unfinished run." in text


def test_nothing_can_be_read(tmp_path: Path) -> None:
    (write_run(tmp_path / "results") / "experiment.json").write_text("{")
    page = write_report(tmp_path / "results", tmp_path / "report")
    text = parse(page.read_text("utf-8")).text
    assert "0 experiments: 0 finished runs, 1 folder that could not be read." in text
    assert "experiment.json is not valid JSON" in text
    assert contents(page.parent).keys() == {f for f in FILES if not f.startswith("figures")}


@pytest.mark.parametrize("inside", ["", "report", "a/b"])
def test_an_output_that_is_or_lies_in_a_file(results: Path, tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"^Argument `output` must be a folder that can be writt"):
        write_report(results, tmp_path / "file" / inside)
    assert (tmp_path / "file").read_text() == "mine"


def test_an_output_that_cannot_be_written(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("fedqml.report.write.write_atomic", refuse)
    with pytest.raises(InputError, match=r"report' cannot: Permission denied\.$"):
        write_report(results, tmp_path / "report")


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`results`"):
        write_report(tmp_path / "none", tmp_path / "report")
    assert not (tmp_path / "report").exists()
