"""The numbers of the parts that not every report has: a file only where there is a row for it."""

from collections.abc import Sequence

from fedqml.report.ablation import ablations
from fedqml.report.arms import Experiment
from fedqml.report.confusion import class_names, confusions, shares
from fedqml.report.csv_files import Row, encode
from fedqml.report.published import costs_beside, measured_beside


def further_csv(experiments: Sequence[Experiment]) -> dict[str, bytes]:
    """Return ``confusion.csv``, ``published.csv`` and ``ablation.csv``, those that have rows."""
    tables = {
        "confusion.csv": [row for each in experiments for row in _confusion_rows(each)],
        "published.csv": [row for each in experiments for row in _published_rows(each)],
        "ablation.csv": [row for each in experiments for row in _ablation_rows(each)],
    }
    return {name: encode(rows) for name, rows in tables.items() if rows}


def _confusion_rows(experiment: Experiment) -> list[Row]:
    rows: list[Row] = []
    for arm in experiment.arms:
        matrices, names = confusions(arm), class_names(arm)
        if not len(matrices):
            continue
        mean, total = shares(matrices), matrices.sum(0)
        rows += [
            {
                "experiment": experiment.name,
                "arm": arm.label,
                "seeds": len(matrices),
                "class": label,
                "predicted": guess,
                "count": int(total[i, j]),
                "mean_share": float(mean[i, j]),
            }
            for i, label in enumerate(names)
            for j, guess in enumerate(names)
        ]
    return rows


def _published_rows(experiment: Experiment) -> list[Row]:
    published = experiment.labels.published
    rows: list[Row] = []
    for beside in (*measured_beside(experiment), *costs_beside(experiment)):
        low, high = beside.margin or (None, None)
        rows.append(
            {
                "experiment": experiment.name,
                "arm": beside.arm.label,
                "quantity": beside.quantity,
                "seeds": beside.ours.seeds,
                "ours_mean": beside.ours.mean,
                "ours_sd": beside.ours.sd,
                "published": beside.theirs,
                "difference": beside.difference,
                "margin_low": low,
                "margin_high": high,
                "within": None if beside.within is None else int(beside.within),
                "source": published.source if published else None,
            }
        )
    return rows


def _ablation_rows(experiment: Experiment) -> list[Row]:
    rows: list[Row] = []
    for item in ablations(experiment):
        row: Row = {
            "experiment": experiment.name,
            "arm": item.arm.label,
            "baseline": experiment.labels.baseline,
            "common_seeds": len(item.seeds),
        }
        for name, tested in (("test_accuracy", item.accuracy), ("test_loss", item.loss)):
            low, high = tested.estimate.interval or (None, None)
            row |= {
                f"{name}_difference": tested.estimate.mean,
                f"{name}_difference_low": low,
                f"{name}_difference_high": high,
                f"{name}_p": tested.p,
                f"{name}_p_holm": tested.holm,
            }
        found = item.discordant
        rows.append(
            row
            | {
                "mcnemar_seeds": found.seeds if found else 0,
                "only_arm_right": found.ours if found else None,
                "only_baseline_right": found.theirs if found else None,
                "mcnemar_p": found.p if found else None,
                "mcnemar_p_holm": found.holm if found else None,
            }
        )
    return rows
