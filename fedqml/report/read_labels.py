"""What an experiment says for the report only, from ``experiment.json``."""

import math

from fedqml.report.record import Damaged, Record
from fedqml.report.results import MARGIN, Labels, Published


def parse_labels(record: Record) -> Labels:
    """Return the labels of an experiment; those of older folders are the defaults.

    Raises:
        Damaged: if one is not what an experiment file may say.
    """
    baseline = record.text("baseline") if "baseline" in record.fields else None
    margin = _finite(record, "margin") if "margin" in record.fields else MARGIN
    if margin <= 0:
        raise Damaged(f"{record.where}: `margin` is not above 0: {margin!r}.")
    published = _published(record.record("published")) if "published" in record.fields else None
    since = record.text("labelled") if "labelled" in record.fields else ""
    return Labels(published, baseline, margin, since)


def _published(record: Record) -> Published:
    examples = record.integer("test_examples") if "test_examples" in record.fields else None
    if examples is not None and examples < 1:
        raise Damaged(f"{record.where}: `test_examples` is not above 0: {examples!r}.")
    arms = record.record("arms")
    rows = {label: arms.record(label) for label in arms.fields}
    values = {label: {key: _finite(row, key) for key in row.fields} for label, row in rows.items()}
    for label, row in values.items():
        accuracy = row.get("test_accuracy", 0.0)
        if not 0 <= accuracy <= 1:
            raise Damaged(f"{record.where}: `{label}` has no accuracy from 0 to 1: {accuracy!r}.")
    return Published(record.text("source"), examples, values)


def _finite(record: Record, name: str) -> float:
    value = record.number(name)
    if not math.isfinite(value):
        raise Damaged(f"{record.where}: `{name}` is not a finite number.")
    return float(value)
