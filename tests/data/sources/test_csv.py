import re
from pathlib import Path

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.data.partitions import by_owner
from fedqml.data.sources import csv

TABLE = "age,clinic,ill,dose\n" + "".join(
    f"{20 + i},{'ABC'[i % 3]},{'yes' if i % 2 else 'no'},{i / 8}\n" for i in range(24)
)


@pytest.fixture
def load(tmp_path):
    def load(content, target="ill", **settings):
        raw = content.encode() if isinstance(content, str) else content
        (tmp_path / "table.csv").write_bytes(raw)
        return csv(tmp_path / "table.csv", target, **settings)

    return load


def rows(data):
    """All examples with their labels and sets, in an order that the split has no part in."""
    parts = ((data.x, data.y), data.test)
    return sorted(
        [*x, y] for xs, ys in parts for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
    )


def test_values_classes_and_owners(load):
    data = load(TABLE, owner="clinic", standardise=False)
    assert data.classes == ("no", "yes")
    assert rows(data) == [[20 + i, i / 8, i % 2] for i in range(24)]
    for (age, _), owner in zip(data.x.tolist(), data.owners, strict=True):
        assert owner == "ABC"[(int(age) - 20) % 3]
    assert set(data.owners) == set("ABC")
    assert data.split(by_owner()).names == ("A", "B", "C")


def test_without_owner_its_column_is_a_feature(load):
    with pytest.raises(InputError, match="line 2, column `clinic` must be a finite number"):
        load(TABLE)


def test_rows_keep_the_order_of_the_file(load):
    data = load(TABLE, owner="clinic", standardise=False)
    assert data.x[:, 0].equal(data.x[:, 0].sort().values)
    assert data.test[0][:, 0].equal(data.test[0][:, 0].sort().values)


def test_every_owner_keeps_a_training_row(load):
    content = "a,t,o\n" + "".join(f"{i},{i % 2},{'lone' if i == 3 else 'big'}\n" for i in range(10))
    for seed in range(10):
        data = load(content, "t", owner="o", test_fraction=0.5, seed=seed)
        assert data.owners.count("lone") == 1


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9", "2"], ("2", "9", "10")),
        (["b", "a", "10"], ("10", "a", "b")),
        (["True", "False"], ("False", "True")),
        (["ja", "größer"], ("größer", "ja")),
        (["a,b", 'say "c"'], ("a,b", 'say "c"')),
        (["NA", "EU"], ("EU", "NA")),
    ],
)
def test_classes_are_in_order(load, labels, classes):
    cells = ['"{}"'.format(label.replace('"', '""')) for label in labels]
    content = "x,t\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells * 4))
    data = load(content, "t", standardise=False)
    assert data.classes == classes
    assert all(labels[int(i) % len(labels)] == classes[y] for i, y in rows(data))


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode("utf-8-sig"),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace("\n", "\r").encode(),
        TABLE.replace(",", " , ").encode(),
        TABLE.replace("\n", "\n\n").encode(),
        TABLE.rstrip("\n").encode(),
        re.sub(r"([^,\n]+)", r'"\1"', TABLE).encode(),
    ],
    ids=["bom", "crlf", "cr", "blanks", "blank lines", "no last newline", "quoted"],
)
def test_spellings_of_one_table(load, content):
    spelt, plain = load(content, owner="clinic"), load(TABLE, owner="clinic")
    assert torch.equal(spelt.x, plain.x)
    assert (spelt.classes, spelt.owners) == (plain.classes, plain.owners)


def changed(line, cell, value):
    lines = [text.split(",") for text in TABLE.splitlines()]
    lines[line - 1][cell] = value
    return "\n".join(",".join(cells) for cells in lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(7, 0, "abc"), "table.csv, line 7, column `age` must be a finite number, but it "
         "holds 'abc'."),
        (changed(25, 3, ""), "table.csv, line 25, column `dose` must be a finite number, but it is "
         "empty."),
        (changed(3, 3, "NaN"), "line 3, column `dose` must be a finite number, but it holds 'NaN'"),
        (changed(3, 3, "-inf"), "line 3, column `dose` must be .* holds '-inf'"),
        (changed(3, 3, "1e39"), "line 3, column `dose` must be .* holds '1e39'"),
        (changed(3, 3, "1_000"), "line 3, column `dose` must be .* holds '1_000'"),
        (changed(4, 2, ""), "line 4, column `ill` must be given, but it is empty"),
        (changed(4, 2, "nan"), "line 4, column `ill` must be given, but it holds 'nan'"),
        (changed(5, 1, " "), "line 5, column `clinic` must be given, but it is empty"),
        (changed(6, 1, "A,B"), "line 6 must have 4 cells, as the first line has, but it has 5"),
        (TABLE + "1,2\n", "line 26 must have 4 cells, as the first line has, but it has 2"),
        (changed(1, 3, "age"), "name every column differently, but 2 columns are named `age`"),
        (changed(1, 3, " "), r"column 4 has no name. \(pandas .* index=False"),
        (changed(1, 2, "illl"), "`target` must be a column of table.csv, but there is no `ill`. "
         r"Did you mean `illl`\? Columns: age, clinic, illl, dose."),
        (changed(1, 1, "klinik"), "`owner` must be a column .* no `clinic`. Did you mean `klinik`"),
        (TABLE.replace(",", ";"), "separated by semicolons; save it with commas"),
        ("", "must name its columns in the first line, but it is empty"),
        ("\n\n", "must name its columns in the first line, but it is empty"),
        ("\ufeff", "must name its columns in the first line, but it is empty"),
        (TABLE.splitlines()[0], "must have rows below its first line, but it has none"),
        (TABLE.replace("no", "yes"), "column `ill` must hold at least two classes, but every row "
         "has `yes`"),
        (TABLE.replace("yes", "0").replace("no", "0.0"), "`0` and `0.0` are two spellings"),
        ("ill,clinic\nyes,a\nno,b\n", "must have a column of features, but there is none"),
        (changed(4, 1, '"A"x'), "line 4 cannot be read: ',' expected after '\"'"),
        (changed(4, 1, '"A'), "line 4 cannot be read: unexpected end of data"),
        (changed(4, 1, '"A\nB"').replace("23,", "a,"), "line 6, column `age` .* holds 'a'"),
        (TABLE.encode("utf-16"), r"must be text in UTF-8, but line 1 has a byte .* \(0xff\)"),
        (changed(4, 1, "Köln").encode("latin-1"), r"UTF-8, but line 4 has a byte .* \(0xf6\)"),
        ("age,clinic,ill\n1,a,yes\n2,b,no\n", "none of its 2 rows can be held out"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(load, content, message):
    with pytest.raises(InputError, match=message):
        load(content, owner="clinic")


def test_a_line_break_in_a_cell_does_not_shift_the_line_numbers(load):
    content = 'x,t\n1,"a\nb"\n2,c\nbad,c\n'
    with pytest.raises(InputError, match="line 5, column `x` must be a finite number"):
        load(content, "t")


def test_target_and_owner_differ(load):
    with pytest.raises(InputError, match="`target` and `owner` must differ, but both are `ill`"):
        load(TABLE, owner="ill")


@pytest.mark.parametrize(
    ("path", "but"), [(".", r"\. is none"), ("no/such.csv", "there is no no/such.csv")]
)
def test_no_such_file(path, but):
    with pytest.raises(InputError, match=f"`path` must be a file, but {but}"):
        csv(Path(path), "ill")
