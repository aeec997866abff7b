"""Folders of owners' tables that several tests read."""

import shutil
from pathlib import Path

import numpy as np

from fedqml.data.facts import merged, table_facts

SIZES = {"bern": 24, "genf": 17, "ulm": 12}


def pooled_folder(folder: Path, sizes=SIZES, tests: int = 20) -> Path:
    """Write the tables of all owners, the facts and ``test.csv``."""
    rng = np.random.Generator(np.random.Philox(5))
    folder.mkdir()
    for name, rows in {**sizes, "test": tests}.items():
        x = rng.normal(loc=(40, 0, 1e-3), scale=(12, 1, 1e-4), size=(rows, 3))
        sick = x @ (1, 12, 1e5) > 140
        sick[:2] = True, False
        lines = [f"{a!r},{b!r},{c!r},{'yes' if s else 'no'}" for (a, b, c), s in
                 zip(x.tolist(), sick.tolist(), strict=True)]  # fmt: skip
        (folder / f"{name}.csv").write_text("\n".join(["age,dose,level,sick", *lines, ""]))
    write_facts(folder, sizes)
    return folder


def write_facts(folder: Path, owners=SIZES) -> None:
    """Make ``facts.json`` of the tables as they are now."""
    parts = [(name, table_facts(folder / f"{name}.csv", "sick")) for name in owners]
    merged(parts).write(folder / "facts.json")


def part_of(pooled: Path, folder: Path, *names: str) -> Path:
    """Copy the facts and some of the tables into a folder of their own, as a machine has them."""
    folder.mkdir()
    for name in ("facts.json", *(f"{name}.csv" for name in names)):
        shutil.copy(pooled / name, folder / name)
    return folder
