"""Reading a results folder: one damaged run is listed with its reason, the others count."""

import math
import re
from dataclasses import replace
from pathlib import Path

from fedqml.core.errors import InputError
from fedqml.report.read_labels import parse_labels
from fedqml.report.read_predictions import parse_predictions
from fedqml.report.record import Damaged, Record, as_record, parse_record
from fedqml.report.results import (
    COSTS,
    METRIC,
    STALENESS,
    TIME,
    Client,
    Data,
    Predictions,
    Results,
    Round,
    Run,
    Summary,
)

_RUN_FOLDER = re.compile(r"[0-9a-f]{16}")


def read_results(results: Path) -> Results:
    """Read every run in a folder of results.

    A folder that is damaged does not stop the others: it is returned with the reason.

    Args:
        results: the folder into which ``fedqml run`` writes.

    Returns:
        The runs in the order of their ids, and the folders that could not be read.

    Raises:
        InputError: if the folder does not exist or holds no run.
    """
    folders = run_folders(results)
    if not folders:
        raise InputError(
            "Argument `results` must hold at least one run; `fedqml run <experiment>` makes one, "
            f"but '{results}' holds none."
        )
    runs: list[Run] = []
    unreadable: list[tuple[str, str]] = []
    for folder in folders:
        try:
            runs += _read_runs(folder)
        except Damaged as reason:
            unreadable.append((folder.name, str(reason)))
    return Results(tuple(runs), tuple(unreadable))


def run_folders(results: Path) -> list[Path]:
    """Return the folders of the runs in a folder of results, in the order of their ids.

    Args:
        results: the folder into which ``fedqml run`` writes.

    Returns:
        The folders; none if there is no run yet.

    Raises:
        InputError: if the folder does not exist, is that of a single run, or cannot be read.
    """
    if not results.is_dir():
        raise InputError(
            "Argument `results` must be a folder of runs, as `fedqml run <experiment>` makes one, "
            f"but there is no folder '{results}'."
        )
    if (results / "experiment.json").exists():
        raise InputError(
            "Argument `results` must be the folder that holds the runs, but "
            f"'{results}' is a single run; give '{results.parent}'."
        )
    try:
        return sorted(path for path in results.iterdir() if _is_run(path))
    except OSError as error:
        raise InputError(
            f"Argument `results` must be a folder that can be read, but '{results}' cannot: "
            f"{error.strerror}."
        ) from error


def _is_run(path: Path) -> bool:
    # Anything else in the folder (a report, a lock) is not ours to judge.
    named_like_one = _RUN_FOLDER.fullmatch(path.name) is not None
    return path.is_dir() and (named_like_one or (path / "experiment.json").exists())


def _read_runs(folder: Path) -> list[Run]:
    """Return a folder's run, once for each experiment that it belongs to."""
    experiment = _read_record(folder, "experiment.json")
    if experiment is None:
        raise Damaged("experiment.json is missing.")
    run = _read_run(folder, experiment)
    others = experiment.items("also") if "also" in experiment.fields else ()
    return [run, *(_as_labelled(run, other) for other in others)]


def _as_labelled(run: Run, value: object) -> Run:
    label = as_record(value, "experiment.json: an entry of `also`")
    arm = label.record("arm")
    return replace(
        run,
        name=label.text("name"),
        title=label.text("title"),
        arm=arm.text("label"),
        central=arm.switch("central"),
        labels=parse_labels(label),
    )


def _read_run(folder: Path, experiment: Record) -> Run:
    if experiment.text("id") != folder.name:
        raise Damaged(f"experiment.json says that this is run {experiment.text('id')!r}.")
    arm = experiment.record("arm")
    history = _read_bytes(folder, "history.jsonl")
    rounds = _parse_history(history) if history is not None else ()
    summary = _parse_summary(_read_record(folder, "summary.json"))
    environment = _read_record(folder, "environment.json")
    described = _read_record(folder, "data.json")
    data = _parse_data(described) if described is not None else None
    if summary is not None:
        for file, content in (("environment.json", environment), ("data.json", described)):
            if content is None:
                raise Damaged(f"The run has finished, but {file} is missing.")
        last = rounds[-1].round if rounds else None
        if last != summary.rounds:
            raise Damaged(
                f"summary.json says {summary.rounds} rounds, but history.jsonl "
                + ("has none." if last is None else f"ends with round {last}.")
            )
    predictions, unpredicted = _read_predictions(folder, summary, data)
    text = _read_bytes(folder, "circuit.txt")
    return Run(
        id=folder.name,
        name=experiment.text("name"),
        title=experiment.text("title"),
        arm=arm.text("label"),
        central=arm.switch("central"),
        seed=experiment.integer("seed"),
        config=experiment.record("config").fields,
        environment=environment.fields if environment is not None else {},
        data=data,
        rounds=rounds,
        circuit_text=text.decode(errors="replace") if text is not None else None,
        circuit_svg=_read_bytes(folder, "circuit.svg"),
        summary=summary,
        labels=parse_labels(experiment),
        predictions=predictions,
        unpredicted=unpredicted,
    )


def _read_predictions(
    folder: Path, summary: Summary | None, data: Data | None
) -> tuple[Predictions | None, str]:
    """Return a finished run's predictions, or why they cannot be used: its results still count."""
    if summary is None or data is None:
        return None, ""
    if not summary.predicts:
        return None, "" if summary.predicts is None else "it was made before they were saved"
    try:
        content = _read_bytes(folder, "predictions.csv")
        if content is None:
            raise Damaged("predictions.csv is missing.")
        return parse_predictions(content, summary.predicts, data), ""
    except Damaged as reason:
        return None, str(reason).rstrip(".")


def _read_bytes(folder: Path, file: str) -> bytes | None:
    try:
        return (folder / file).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(f"{file} cannot be read: {error.strerror}.") from error


def _read_record(folder: Path, file: str) -> Record | None:
    content = _read_bytes(folder, file)
    return parse_record(content, file) if content is not None else None


def _parse_history(content: bytes) -> tuple[Round, ...]:
    lines = content.splitlines()
    rounds: list[Round] = []
    for number, line in enumerate(lines, start=1):
        where = f"history.jsonl, line {number}"
        try:
            record = parse_record(line, where)
        except Damaged:
            # A run that was killed, or is still writing, may end in half a line.
            if number == len(lines):
                break
            raise
        row = _parse_round(record)
        if rounds and row.round <= rounds[-1].round:
            raise Damaged(f"{where}: round {row.round} follows round {rounds[-1].round}.")
        rounds.append(row)
    return tuple(rounds)


def _parse_round(record: Record) -> Round:
    metrics = [name for name in record.fields if name.startswith(METRIC)]
    columns = dict.fromkeys(["train_loss", "test_loss", *metrics, *COSTS])
    return Round(
        round=record.integer("round"),
        clients=len(record.items("clients")),
        refused=len(record.items("refused")),
        values={**{name: record.number(name) for name in columns}, **_virtual(record)},
    )


def _virtual(record: Record) -> dict[str, int | float]:
    """Return what a round on a virtual clock has beside the rest."""
    if TIME not in record.fields:
        return {}
    present = [age for age in record.items(STALENESS) if age is not None]
    ages = replace(record, fields={STALENESS: present}).counts(STALENESS)
    return {TIME: record.number(TIME), STALENESS: sum(ages) / len(ages) if ages else math.nan}


def _parse_summary(record: Record | None) -> Summary | None:
    if record is None or record.text("status") != "finished":
        return None
    parameters = record.record("parameters")
    predicts = record.fields.get("predictions", "")
    if predicts is not None and not isinstance(predicts, str):
        raise Damaged(f"summary.json: `predictions` is not a text: {predicts!r}.")
    return Summary(
        rounds=record.integer("rounds"),
        hash=record.text("hash"),
        parameters=parameters.integer("total"),
        quantum_parameters=parameters.integer("quantum"),
        predicts=predicts,
    )


def _parse_data(record: Record) -> Data:
    classes = tuple(str(name) for name in record.items("classes"))
    return Data(
        fingerprint=record.text("fingerprint"),
        classes=classes,
        train=record.integer("train"),
        test=record.integer("test"),
        test_classes=_parse_classes(record, "test_classes", len(classes)),
        shape=record.counts("shape"),
        clients=tuple(_parse_client(item, len(classes)) for item in record.items("clients")),
        about=record.record("about").fields if "about" in record.fields else {},
    )


def _parse_client(value: object, classes: int) -> Client:
    record = as_record(value, "data.json: an entry of `clients`")
    return Client(
        number=record.integer("client"),
        owner=record.text("owner") if record.value("owner") is not None else None,
        examples=record.integer("examples"),
        classes=_parse_classes(record, "classes", classes),
        noise=record.number("noise") if "noise" in record.fields else 0.0,
    )


def _parse_classes(record: Record, name: str, classes: int) -> tuple[int, ...]:
    counts = record.counts(name)
    if len(counts) != classes or min(counts, default=0) < 0:
        raise Damaged(
            f"{record.where}: `{name}` is not a count for each of {classes} classes: {counts}."
        )
    return counts
