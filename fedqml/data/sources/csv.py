"""A table of numbers with a column of classes."""

from pathlib import Path

from fedqml.core.errors import InputError
from fedqml.data.class_names import encode
from fedqml.data.dataset import Data
from fedqml.data.hold_out import hold_out
from fedqml.data.paths import existing_file
from fedqml.data.table import read_table


def csv(
    path: Path,
    target: str,
    owner: str | None = None,
    test_fraction: float = 0.2,
    standardise: bool = True,
    seed: int = 0,
) -> Data:
    """Read a table whose first line names its columns.

    Cells are separated by commas, the text is UTF-8 with or without byte order mark. Every
    column is a numeric feature, but for the target and the owner. Blanks around names and
    cells do not count.

    Args:
        path: the file.
        target: the column of the classes, numbers or texts; the classes are its distinct
            values, in order.
        owner: the column that names each row's owner, if there is one; it is no feature.
        test_fraction: share of the rows that the server keeps for testing. Each owner keeps at
            least one training row.
        standardise: shift and scale each feature to mean 0 and standard deviation 1, by the
            pooled training rows. A real federation has to add up its owners' counts, sums
            and sums of squares to know these, as ``owner_tables`` does.
        seed: fixes which rows are for testing; an experiment supplies the run's seed.

    Returns:
        Examples ``(rows, features)`` in the order of the columns.

    Raises:
        InputError: for whatever in the file cannot be used, with its line and column.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "own.csv"
        ...     _ = file.write_text("age,sick\\n" + "61,yes\\n35,no\\n" * 5)
        ...     data = csv(file, target="sick")
        >>> data.classes, len(data.y), len(data.test[1])
        (('no', 'yes'), 8, 2)
    """
    file = existing_file(path)
    table = read_table(file, target, owner)
    y, classes = encode(table.labels)
    if len(classes) < 2:
        raise InputError(
            f"{file.name}, column `{target}` must hold at least two classes, but every row has "
            f"`{classes[0]}`."
        )
    return hold_out(
        table.values,
        y,
        classes,
        test_fraction=test_fraction,
        seed=seed,
        standardised=standardise,
        owners=table.owners,
    )
