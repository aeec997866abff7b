"""Writing a report: read the results, compose, and put every file in place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedqml.core.errors import InputError
from fedqml.core.files import write_atomic
from fedqml.report.csv_files import history_csv, runs_csv, table_csv
from fedqml.report.document import Document, compose
from fedqml.report.markdown import render_markdown
from fedqml.report.page import render_page
from fedqml.report.read import read_results


def write_report(results: Path, output: Path) -> Path:
    """Write a report about every run in a folder of results.

    The same results give the same bytes. ``index.html`` holds everything that it shows and
    opens without a network; beside it lie ``report.md``, ``table.csv`` (a row an arm),
    ``runs.csv`` (a row a run), ``history.csv`` (a row a value) and ``figures/``; where there is
    something for them, ``confusion.csv``, ``published.csv`` and ``ablation.csv``.

    Args:
        results: the folder into which ``fedqml run`` writes.
        output: the folder for the report, made if there is none.

    Returns:
        The path of the page, ``output/index.html``.

    Raises:
        InputError: if the results hold no run, or the output cannot be written.
    """
    found = read_results(results)
    with _refused_with_a_sentence(output):
        # Before anything is drawn, so that a wrong place is said at once.
        (output / "figures").mkdir(parents=True, exist_ok=True)
    files = _files(compose(found))
    with _refused_with_a_sentence(output):
        for name, content in files.items():
            write_atomic(output / name, content)
    return output / "index.html"


@contextmanager
def _refused_with_a_sentence(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            "Argument `output` must be a folder that can be written, but "
            f"'{output}' cannot: {error.strerror}."
        ) from error


def _files(document: Document) -> dict[str, bytes]:
    figures = {
        f"figures/{section.stem}-{kind}.{suffix}": content
        for section in document.sections
        for kind, figure in (
            ("curves", section.curves),
            ("time", section.over_time),
            ("split", section.split),
        )
        if figure is not None
        for suffix, content in (("svg", figure.svg), ("png", figure.png))
    }
    return {
        **figures,
        "table.csv": table_csv(document.experiments),
        "runs.csv": runs_csv(document.experiments),
        "history.csv": history_csv(document.experiments),
        **document.further,
        # A file name that is no text in any encoding has its odd bytes written out.
        "report.md": render_markdown(document).encode(errors="backslashreplace"),
        # The page comes last: once it is there, so is all that it links to.
        "index.html": render_page(document).encode(errors="backslashreplace"),
    }
