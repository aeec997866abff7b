"""The report in Markdown: the page's sentences and tables, with links to the figures."""

import re
from collections.abc import Iterator

from fedqml.report.document import Document, Section
from fedqml.report.tables import Table
from fedqml.report.verdict import STATUS_NAMES

_SPECIAL = re.compile(r"([\\`*_<>|\[\]&#~])")


def render_markdown(document: Document) -> str:
    """Return the report as Markdown; names from users are escaped."""
    blocks = [f"# {_escape(document.title)}", _escape(document.overview)]
    for section in document.sections:
        if len(document.sections) > 1:
            blocks.append(f"## {_escape(section.title)}")
        blocks.extend(_section(section))
    if document.unreadable:
        blocks.append(_table(document.unreadable))
    blocks.append(
        "Full precision: [table.csv](table.csv), [runs.csv](runs.csv), [history.csv](history.csv)."
    )
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield _escape(section.summary)
    if section.results:
        yield _table(section.results)
    if section.verdicts:
        yield "\n".join(
            f"- **{_escape(verdict.arm)}: {STATUS_NAMES[verdict.status]}.** {_escape(verdict.text)}"
            for verdict in section.verdicts
        )
    for kind, figure in (("curves", section.curves), ("split", section.split)):
        if figure:
            yield f"![{_escape(figure.label)}](figures/{section.stem}-{kind}.svg)"
            yield _escape(figure.caption)
    for drawing in section.circuits:
        if drawing.text:
            yield f"Circuit of {_escape(drawing.owner)}:"
            yield _code(drawing.text)
    if section.costs:
        yield _table(section.costs)
    if section.commands:
        yield "Run again:"
        yield _code("\n".join(section.commands))
    for table in (section.environment, section.differing, section.runs, section.unfinished):
        if table:
            yield _table(table)
    for _, table in section.settings:
        yield _table(table)


def _table(table: Table) -> str:
    rules = {"l": ":--", "r": "--:", "c": ":--"}
    lines = [
        f"**{_escape(table.caption)}**",
        "",
        _row(map(_escape, table.head)),
        _row(rules[letter] for letter in table.align),
        *(_row(map(_escape, row)) for row in table.rows),
    ]
    for note in table.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    # A fence has to be longer than any run of backticks inside it.
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text).replace("\n", " ").replace("\r", " ")
