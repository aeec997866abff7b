"""Results folders as the runner writes them, with numbers that a test chooses."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fedqml.core.spreadsheet import harmless

CIRCUIT_SVG = """<?xml version="1.0" encoding="utf-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="260" height="60" viewBox="0 0 260 60">
 <defs><path id="box" d="M0 0H40V30H0z"/></defs>
 <line x1="10" y1="30" x2="250" y2="30" stroke="#000"/>
 <use xlink:href="#box" x="60" y="15" fill="#fff" stroke="#000"/><text x="68" y="35">RY</text>
</svg>
"""


def write_run(
    results: Path,
    *,
    name: str = "breast_cancer",
    title: str = "Breast cancer, 20 hospitals",
    label: str = "federated",
    central: bool = False,
    seed: int = 0,
    accuracy: list[float | None] | None = None,
    loss: list[float | None] | None = None,
    config: dict[str, Any] | None = None,
    clients: list[dict[str, Any]] | None = None,
    classes: list[str] | None = None,
    finished: bool = True,
    extra: dict[str, list[float]] | None = None,
    refused: int = 0,
    shots: int = 0,
    samples: int = 115,
    circuit: str | None = CIRCUIT_SVG,
    started: str = "2026-11-22T12:00:00+00:00",
    hash: str | None = None,
    labels: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
    predicted: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    probability: Sequence[float] | None = None,
) -> Path:
    """Write one run; ``accuracy`` and ``loss`` have an entry a round, the first before training.

    ``predicted`` has a class for each of the test rows, whose own are ``labels_of_tests(classes)``.
    """
    accuracy = [0.5, 0.8, 0.9] if accuracy is None else accuracy
    loss = [None if a is None else round(1.2 - a, 6) for a in accuracy] if loss is None else loss
    classes = ["malignant", "benign"] if classes is None else classes
    config = settings() if config is None else config
    identity = json.dumps([name, label, central, seed, config, started])
    run_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
    folder = results / run_id
    folder.mkdir(parents=True)
    write(
        folder / "experiment.json",
        {
            "id": run_id,
            "name": name,
            "title": title,
            "arm": {"label": label, "central": central},
            "seed": seed,
            "config": config,
            **(labels or {}),
        },
    )
    write(
        folder / "environment.json",
        {
            "fedqml": "0.1.0",
            "torch": "2.13.0",
            "numpy": "2.4.6",
            "pennylane": None,
            "python": "3.11.7",
            "platform": "Linux-6.1-x86_64",
            "processor": "A processor at 2.5 GHz",
            "cores": 2,
            "threads": 1,
            "command": f"fedqml run {name}",
            "started": started,
        },
    )
    clients = split(20, len(classes)) if clients is None else clients
    write(
        folder / "data.json",
        {
            "fingerprint": hashlib.sha256(json.dumps(clients).encode()).hexdigest(),
            "classes": classes,
            "train": sum(client["examples"] for client in clients),
            "test": len(labels_of_tests(len(classes))) or 114,
            "shape": [30],
            "test_classes": _test_classes(len(classes)) if classes else [],
            "clients": clients,
            **({} if about is None else {"about": about}),
        },
    )
    if circuit is not None:
        (folder / "circuit.svg").write_text(circuit)
        (folder / "circuit.txt").write_text("0: ─RY─RZ─●─\n1: ─RY─RZ─X─\n")
    rows = []
    for number, (test_accuracy, test_loss) in enumerate(zip(accuracy, loss, strict=True)):
        trained = number > 0
        rows.append(
            {
                "round": number,
                "clients": [0, 3, 7, 8, 19] * trained,
                "refused": [3] * (refused if number == 1 else 0),
                "train_loss": test_loss if trained else None,
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
                **{column: values[number] for column, values in (extra or {}).items()},
                "samples": samples * trained,
                "bytes_down": 2960 * trained,
                "bytes_up": 2960 * trained,
                "circuit_evaluations": 229 * trained,
                "shots": shots * trained,
                "hardware_evaluations": 7800 * trained,
                "seconds": 0.25,
            }
        )
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    checksum = {}
    if predicted is not None:
        content = predictions_csv(labels_of_tests(len(classes)), predicted, names, probability)
        (folder / "predictions.csv").write_bytes(content)
        checksum = {"predictions": hashlib.sha256(content).hexdigest()}
    if finished:
        write(
            folder / "summary.json",
            {
                "status": "finished",
                "rounds": len(rows) - 1,
                "hash": hash or hashlib.sha256(run_id.encode()).hexdigest(),
                "seconds": 0.25 * len(rows),
                "parameters": {"total": 148, "quantum": 24},
                **checksum,
            },
        )
    return folder


def labels_of_tests(classes: int) -> list[int]:
    """Return the class of each test row of a fake run: 42 of the first, 72 of all others."""
    counts = _test_classes(classes) if classes else []
    return [place for place, number in enumerate(counts) for _ in range(number)]


def _test_classes(classes: int) -> list[int]:
    return [42, *[72 // max(1, classes - 1)] * (classes - 1)]


def predictions_csv(
    labels: Sequence[int],
    predicted: Sequence[int],
    names: Sequence[str] | None = None,
    probability: Sequence[float] | None = None,
) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(("row", "name", "label", "predicted", "probability"))
    for row, (label, guess) in enumerate(zip(labels, predicted, strict=True)):
        name = harmless(names[row]) if names else ""
        writer.writerow((row, name, label, guess, probability[row] if probability else 0.9))
    return text.getvalue().encode()


def write(path: Path, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def settings(**changes: Any) -> dict[str, Any]:
    """Return resolved settings; ``local__epochs=2`` changes one of them."""
    config: dict[str, Any] = {
        "data": {"use": "breast_cancer", "test_fraction": 0.2, "standardise": True},
        "partition": {"use": "iid", "clients": 20},
        "model": {"use": "dense_vqc", "qubits": 4, "depth": 2},
        "local": {"use": "adam", "lr": 0.02, "epochs": 1, "batch_size": 32},
        "strategy": {"client": [], "server": [{"use": "mean"}]},
        "engine": {"use": "vectorised"},
        "run": {"rounds": 2, "clients_per_round": 5, "dtype": "float32", "threads": 1},
    }
    for key, value in changes.items():
        section, name = key.split("__")
        config[section][name] = value
    return config


def split(clients: int, classes: int = 2, owner: str | None = None) -> list[dict[str, Any]]:
    """Return clients with uneven shares: client i has 3 + (i + j) mod 5 examples of class j."""
    shares = []
    for client in range(clients):
        counts = [3 + (client + place) % 5 for place in range(classes)]
        shares.append(
            {
                "client": client,
                "owner": f"{owner} {client}" if owner else None,
                "examples": sum(counts) if classes else 11,
                "classes": counts,
            }
        )
    return shares
