"""``fedqml data facts``: what owners tell each other of their tables, so that none has to move."""

from collections.abc import Sequence
from pathlib import Path

from fedqml.core.errors import InputError


def facts(files: Sequence[str], target: str | None, merge: bool) -> int:
    """Write an owner's facts beside its table, or merge those of all owners into ``facts.json``.

    Args:
        files: a table, or files of facts.
        target: the table's column of classes.
        merge: whether to merge.

    Raises:
        InputError: for files that cannot be used, or arguments that do not go together.
    """
    from fedqml.data.facts import merged, read_facts, table_facts

    if merge:
        if target is not None or not files:
            raise InputError("To merge facts: fedqml data facts --merge *.facts.json")
        whole, path = merged([(name, read_facts(Path(name))) for name in files]), Path("facts.json")
    else:
        if target is None or len(files) != 1:
            raise InputError("To make facts: fedqml data facts bern.csv --target COLUMN")
        table = Path(files[0])
        whole, path = table_facts(table, target), table.with_suffix(".facts.json")
    try:
        whole.write(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error
    for name, own in whole.owners.items():
        counts = ", ".join(f"{n} {label}" for label, n in own.classes.items())
        print(f"{name}: {own.rows} rows ({counts}), {len(whole.columns)} columns")
    print(f"{path} holds numbers of rows, sums and sums of squares; no row.")
    return 0
