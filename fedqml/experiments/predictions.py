"""What the final model says of each test row, as the file ``predictions.csv``."""

import csv
import io

import torch

from fedqml.core.spreadsheet import harmless
from fedqml.experiments.rounds import Federation, Progress, tested_outputs

COLUMNS = ("row", "name", "label", "predicted", "probability")


def predictions(federation: Federation, progress: Progress) -> bytes | None:
    """Return the predictions of a run's last model on the server's test rows, as CSV.

    A line for each test row, in their order: its number from 0, its name where the data have
    names, the index of its class, the index of the largest logit, and of that class the
    probability ``softmax(logits)``, the one whose logarithm cross-entropy is; 9 digits, empty
    where it is no number. No training row is among them.

    Args:
        federation: model and data.
        progress: the run after its last round. The model is evaluated as it was then, so the
            share of right predictions is the last row's ``test_accuracy``.

    Returns:
        The content of the file, or None for a model without one output for each class.
    """
    pooled = federation.objective.data.data
    labels = pooled.test_set[1]
    logits = tested_outputs(federation, progress)
    if logits.shape != (len(labels), len(pooled.classes)):
        return None
    predicted = logits.argmax(-1)
    shares = torch.softmax(logits.double(), -1)[torch.arange(len(labels)), predicted]
    names = pooled.test_names or ("",) * len(labels)
    text = io.StringIO()
    # All texts quoted: a name may hold any character.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for row, (name, label, guess, share) in enumerate(
        zip(names, labels.tolist(), predicted.tolist(), shares.tolist(), strict=True)
    ):
        probability = float(f"{share:.9g}") if share == share else ""
        writer.writerow((row, harmless(str(name)), label, guess, probability))
    # A file name that is no text in any encoding has its odd bytes written out.
    return text.getvalue().encode(errors="backslashreplace")
