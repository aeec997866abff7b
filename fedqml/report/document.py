"""The report before it is set: every sentence, table and figure, for HTML and Markdown alike."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedqml.report.ablation import (
    ablation_sentences,
    ablation_table,
    discordant_table,
    missing_baseline,
)
from fedqml.report.about import Source, sources
from fedqml.report.arms import Experiment, group
from fedqml.report.circuits import CircuitDrawing, circuits
from fedqml.report.confusion import confusion_tables, mistakes_tables, unpredicted
from fedqml.report.curves import draw_curves
from fedqml.report.formats import plural
from fedqml.report.further_csv import further_csv
from fedqml.report.plotting import Figure
from fedqml.report.provenance import (
    commands,
    differences_table,
    environment_table,
    runs_table,
    settings_tables,
    unfinished_table,
    unreadable_table,
)
from fedqml.report.published import published_costs_table, published_table
from fedqml.report.results import Results
from fedqml.report.split import clients_table, splits
from fedqml.report.split_figure import draw_splits
from fedqml.report.summary import summarise
from fedqml.report.tables import Table, costs_table, results_table
from fedqml.report.time_figure import draw_over_time
from fedqml.report.verdict import Verdict, verdicts


@dataclass(frozen=True)
class Section:
    """What is said about one experiment; ``stem`` begins its anchors and the names of its files.

    A part that has nothing to say is None or empty, and is left out.
    """

    stem: str
    title: str
    summary: str
    results: Table | None
    verdicts: tuple[Verdict, ...]
    published: Table | None
    published_costs: Table | None
    ablation: Table | None
    discordant: Table | None
    ablation_sentences: tuple[tuple[str, str], ...]
    missing_baseline: str
    curves: Figure | None
    over_time: Figure | None
    confusions: tuple[Table, ...]
    mistakes: tuple[Table, ...]
    unpredicted: str
    sources: tuple[Source, ...]
    split: Figure | None
    clients: tuple[Table, ...]
    circuits: tuple[CircuitDrawing, ...]
    costs: Table | None
    commands: tuple[str, ...]
    environment: Table | None
    differing: Table | None
    settings: tuple[tuple[str, Table], ...]
    runs: Table | None
    unfinished: Table | None


@dataclass(frozen=True)
class Document:
    """The whole report, the experiments that its CSV files are made from, and further files."""

    title: str
    overview: str
    sections: tuple[Section, ...]
    unreadable: Table | None
    experiments: tuple[Experiment, ...]
    further: Mapping[str, bytes]


def compose(results: Results) -> Document:
    """Write a report about the results of a folder.

    Args:
        results: what was read from it.

    Returns:
        The report, a section for each experiment.
    """
    # What has a result comes before what has only begun.
    experiments = tuple(sorted(group(results), key=lambda experiment: not experiment.arms))
    stems = _stems([experiment.name for experiment in experiments])
    sections = tuple(
        _section(experiment, stem) for experiment, stem in zip(experiments, stems, strict=True)
    )
    return Document(
        title=sections[0].title if len(sections) == 1 else "Results of federated training",
        overview=_overview(results, experiments),
        sections=sections,
        unreadable=unreadable_table(results),
        experiments=experiments,
        further=further_csv(experiments),
    )


def _section(experiment: Experiment, stem: str) -> Section:
    finished = bool(experiment.arms)
    found = splits(experiment)
    return Section(
        stem=stem,
        title=experiment.title.strip() or experiment.name,
        summary=summarise(experiment),
        results=results_table(experiment) if finished else None,
        verdicts=verdicts(experiment),
        published=published_table(experiment) if finished else None,
        published_costs=published_costs_table(experiment) if finished else None,
        ablation=ablation_table(experiment),
        discordant=discordant_table(experiment),
        ablation_sentences=ablation_sentences(experiment),
        missing_baseline=missing_baseline(experiment),
        curves=draw_curves(experiment),
        over_time=draw_over_time(experiment),
        confusions=confusion_tables(experiment),
        mistakes=mistakes_tables(experiment),
        unpredicted=unpredicted(experiment),
        sources=sources(experiment),
        split=draw_splits(found),
        clients=tuple(map(clients_table, found)),
        circuits=circuits(experiment),
        costs=costs_table(experiment) if finished else None,
        commands=commands(experiment),
        environment=environment_table(experiment),
        differing=differences_table(experiment),
        settings=settings_tables(experiment),
        runs=runs_table(experiment),
        unfinished=unfinished_table(experiment),
    )


def _overview(results: Results, experiments: Sequence[Experiment]) -> str:
    begun = sum(run.summary is None for run in results.runs)
    parts = [f"{plural(len(results.runs) - begun, 'finished run')}"]
    if begun:
        parts.append(plural(begun, "unfinished run"))
    if results.unreadable:
        parts.append(f"{plural(len(results.unreadable), 'folder')} that could not be read")
    return f"{plural(len(experiments), 'experiment')}: {', '.join(parts)}."


def _stems(names: Sequence[str]) -> list[str]:
    """Return a name for files and anchors for each experiment, each different."""
    stems: list[str] = []
    for name in names:
        # No two hyphens in a row: the page puts them between a stem and the rest of an id.
        plain = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-") or "experiment"
        number = 1
        stem = plain
        # Compared without case: some file systems do not tell it apart.
        while stem.lower() in map(str.lower, stems):
            number += 1
            stem = f"{plain}-{number}"
        stems.append(stem)
    return stems
