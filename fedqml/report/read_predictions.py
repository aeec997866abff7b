"""The predictions of a final model, from ``predictions.csv``."""

import csv
import hashlib
import io
import math

import numpy as np

from fedqml.core.spreadsheet import original
from fedqml.report.record import Damaged
from fedqml.report.results import Data, Predictions

_COLUMNS = ["row", "name", "label", "predicted", "probability"]


def parse_predictions(content: bytes, checksum: str, data: Data) -> Predictions:
    """Return the predictions of a run.

    Args:
        content: the file.
        checksum: its SHA-256, from ``summary.json``.
        data: the run's data, which the rows and classes have to fit.

    Raises:
        Damaged: if the file is not what was written, or not of these data.
    """
    if hashlib.sha256(content).hexdigest() != checksum:
        raise Damaged("predictions.csv is not what its checksum in summary.json says.")
    try:
        head, *lines = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
        if head != _COLUMNS:
            raise ValueError(f"its columns are {', '.join(head)}")
        rows = [(int(n), name, int(y), int(guess), p) for n, name, y, guess, p in lines]
        probability = np.array([float(row[4] or math.nan) for row in rows], dtype=float)
        labels, predicted = (np.array([row[k] for row in rows], dtype=int) for k in (2, 3))
    except (ValueError, OverflowError, csv.Error) as error:
        raise Damaged(f"predictions.csv cannot be read: {error}.") from error
    if [row[0] for row in rows] != list(range(data.test)):
        raise Damaged(f"predictions.csv does not have each of the {data.test} test rows once.")
    classes = len(data.classes)
    inside = all(((column >= 0) & (column < classes)).all() for column in (labels, predicted))
    if not inside or tuple(np.bincount(labels, minlength=classes)) != data.test_classes:
        raise Damaged("predictions.csv has other classes than data.json.")
    names = tuple(original(row[1]) for row in rows)
    return Predictions(names if any(names) else None, labels, predicted, probability)
