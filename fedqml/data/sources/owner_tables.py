"""Tables that were never pooled: each owner has its own."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, Int64

from fedqml.core.errors import InputError
from fedqml.core.resolve import nearest
from fedqml.data.dataset import Data
from fedqml.data.facts import Facts, in_order, read_facts, require_table
from fedqml.data.hold_out import single
from fedqml.data.paths import existing_folder
from fedqml.data.spread import Spread
from fedqml.data.table import Table, read_table

_TEST = "test"


def owner_tables(path: Path, standardise: bool = True) -> Data:
    """Read those of the owners' tables that are on this machine.

    The folder holds ``facts.json``, the same on every machine, as ``fedqml data facts`` makes it
    from the owners' tables; the tables themselves, ``<owner>.csv``, each on its owner's machine;
    and ``test.csv`` where models are evaluated. All of them in one folder are one data set like
    any other, and give the same model. ``fedqml.data.table`` says how a table is written.

    What is not here is known by its facts: to train on it, or to evaluate without ``test.csv``,
    is refused. An owner's rows are used in the order of their values, so that it does not matter in
    which order the file has them.

    Args:
        path: the folder.
        standardise: shift and scale each feature to mean 0 and standard deviation 1 over the
            training rows of all owners, which the facts tell without the rows.

    Returns:
        Examples ``(rows, features)`` in the order of the facts' columns, and who owns each. The
        fingerprint is that of the facts and the test rows: it is the same with all tables as with
        none.

    Raises:
        InputError: for whatever in the folder cannot be used, and for a table that is not the one
            of which facts were made.
    """
    folder = existing_folder(path)
    facts = read_facts(folder / "facts.json")
    _require_known(folder, facts)
    if len(facts.classes) < 2:
        raise InputError(
            f"facts.json must have at least two classes, but all rows of all owners have "
            f"`{facts.classes[0]}`."
        )
    mean, sd = facts.moments()
    xs, ys, owners, absent = [], [], list[str](), {}
    for owner in facts.owners:
        file = folder / f"{owner}.csv"
        if not file.is_file():
            absent[owner] = facts.counts(owner)
            continue
        table = require_table(file, read_table(file, facts.target), facts)
        x, y = table.values + 0.0, _encoded(file, table, facts)  # no -0.0, which has other bits
        order = np.lexsort((y, *x.T[::-1]))
        xs.append(x[order])
        ys.append(y[order])
        owners += [owner] * len(y)
    test = _test(folder / f"{_TEST}.csv", facts)
    if not owners and test is None:
        raise InputError(
            f"Argument `path` must hold a table, {_TEST}.csv or that of an owner "
            f"({', '.join(facts.owners)}), but {folder} has none of them."
        )

    def scaled(x: Float64[np.ndarray, "rows columns"]) -> torch.Tensor:
        return single((x - mean) / sd if standardise else x)

    return Data(
        scaled(np.concatenate([np.empty((0, len(facts.columns))), *xs])),
        torch.from_numpy(np.concatenate([np.empty(0, dtype=np.int64), *ys])),
        test=None if test is None else (scaled(test[0]), torch.from_numpy(test[1])),
        classes=facts.classes,
        owners=tuple(owners),
        spread=Spread(facts.digest(), absent),
    )


def _test(
    file: Path, facts: Facts
) -> tuple[Float64[np.ndarray, "tests columns"], Int64[np.ndarray, " tests"]] | None:
    if not file.is_file():
        return None
    table = read_table(file, facts.target)
    order = in_order(file.name, table.features, "facts.json", facts.columns)
    return table.values[:, order], _encoded(file, table, facts)


def _encoded(file: Path, table: Table, facts: Facts) -> Int64[np.ndarray, " rows"]:
    index = {name: i for i, name in enumerate(facts.classes)}
    for label in table.labels:
        if label not in index:
            raise InputError(
                f"{file.name} must have the classes of facts.json ({', '.join(facts.classes)}), "
                f"but a row has `{label}`."
            )
    return np.array([index[label] for label in table.labels], dtype=np.int64)


def _require_known(folder: Path, facts: Facts) -> None:
    known = [*facts.owners, _TEST]
    for file in sorted(folder.glob("*.csv")):
        if file.stem not in known:
            raise InputError(
                f"{file.name} in {folder} must be {_TEST}.csv or named as an owner in facts.json, "
                f"but there is no such owner.{nearest(file.stem, known)} "
                f"Owners: {', '.join(facts.owners)}."
            )
