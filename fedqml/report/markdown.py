"""The report in Markdown: the page's sentences and tables, with links to the figures."""

import re
from collections.abc import Iterator

from fedqml.report.about import Source
from fedqml.report.document import Document, Section
from fedqml.report.plotting import Figure
from fedqml.report.tables import Table

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
    names = ("table.csv", "runs.csv", "history.csv", *document.further)
    blocks.append(f"Full precision: {', '.join(f'[{name}]({name})' for name in names)}.")
    return "\n\n".join(blocks) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield _escape(section.summary)
    if section.results:
        yield _table(section.results)
    if section.verdicts:
        yield "\n".join(
            f"- **{_escape(verdict.arm)}: {verdict.name}.** {_escape(verdict.text)}"
            for verdict in section.verdicts
        )
    for table in (section.published, section.published_costs):
        if table:
            yield _table(table)
    if section.ablation_sentences:
        yield "\n".join(
            f"- **{_escape(arm)}.** {_escape(text)}" for arm, text in section.ablation_sentences
        )
    for table in (section.ablation, section.discordant):
        if table:
            yield _table(table)
    if section.missing_baseline:
        yield _escape(section.missing_baseline)
    yield from _figure(section, "curves", section.curves)
    yield from _figure(section, "time", section.over_time)
    for table in (*section.confusions, *section.mistakes):
        yield _table(table)
    if section.unpredicted:
        yield _escape(section.unpredicted)
    for source in section.sources:
        yield " ".join(map(_escape, filter(None, _source(source))))
        for table in (source.facts, source.left_out):
            if table:
                yield _table(table)
    yield from _figure(section, "split", section.split)
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


def _figure(section: Section, kind: str, figure: Figure | None) -> Iterator[str]:
    if figure:
        yield f"![{_escape(figure.label)}](figures/{section.stem}-{kind}.svg)"
        yield _escape(figure.caption)


def _source(source: Source) -> Iterator[str]:
    yield f"Data: {source.title}."
    yield source.link
    yield f"Licence: {source.licence}." if source.licence else ""


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
