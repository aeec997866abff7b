"""What owners tell of their tables: exact, mergeable in any order, and nothing else."""

import json
import math

import numpy as np
import pytest

from fedqml.core.errors import InputError
from fedqml.data.facts import Facts, merged, owner_facts, read_facts, table_facts
from fedqml.data.table import Table
from tests.data.owner_folders import SIZES, pooled_folder


@pytest.fixture
def folder(tmp_path):
    return pooled_folder(tmp_path / "pooled")


def _facts(values, parts):
    owners = {}
    for i in range(parts):
        own = np.array(values[i::parts])[:, None]
        owners[str(i)] = owner_facts(Table(("x",), own, ["a"] * len(own), None))
    return Facts("t", ("x",), owners)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        [1e9 + i / 8 for i in range(6)],
        [1e-200 * i for i in range(6)],
        [3e38, -3e38, 1e38, 2e38, 0.0, 5e-324],
    ],
)
def test_moments_are_right_to_the_last_digit(values, parts):
    facts = _facts(values, parts)
    mean, sd = facts.moments()
    exact_mean = math.fsum(values) / len(values)
    assert mean[0] == pytest.approx(exact_mean, rel=1e-15)
    scale = max(map(abs, values))
    spread = math.sqrt(math.fsum(((v - exact_mean) / scale) ** 2 for v in values) / len(values))
    assert sd[0] == pytest.approx(spread * scale, rel=1e-7)
    whole = _facts(values, 1).moments()
    assert (mean[0], sd[0]) == (whole[0][0], whole[1][0])


def test_a_constant_column_becomes_zero():
    mean, sd = _facts([0.1] * 7, 3).moments()
    assert (mean[0], sd[0]) == (0.1, 1.0)


def test_a_file_says_counts_sums_and_squares_and_nothing_else(folder, tmp_path):
    table_facts(folder / "ulm.csv", "sick").write(tmp_path / "ulm.facts.json")
    found = json.loads((tmp_path / "ulm.facts.json").read_text())
    assert found.keys() == {"target", "columns", "owners"}
    assert found["owners"].keys() == {"ulm"}
    assert found["owners"]["ulm"].keys() == {"classes", "sums", "squares"}
    rows = [line.split(",") for line in (folder / "ulm.csv").read_text().splitlines()[1:]]
    assert sum(found["owners"]["ulm"]["classes"].values()) == len(rows)
    text = (tmp_path / "ulm.facts.json").read_text()
    assert not any(value in text for row in rows for value in row[:3])


def test_merged_in_any_order(folder, tmp_path):
    parts = [(name, table_facts(folder / f"{name}.csv", "sick")) for name in SIZES]
    facts = merged(reversed(parts))
    assert facts == merged(parts) == read_facts(folder / "facts.json")
    assert tuple(facts.owners) == tuple(SIZES)
    facts.write(tmp_path / "again.json")
    assert read_facts(tmp_path / "again.json").digest() == facts.digest()


@pytest.mark.parametrize("name", ["test", "facts", ".hidden", "a b", "x" * 64])
def test_names_that_no_owner_can_have(folder, name):
    file = (folder / "ulm.csv").rename(folder / f"{name}.csv")
    with pytest.raises(InputError, match="`owner` must be 1 to 63 letters"):
        table_facts(file, "sick")


def test_sums_of_few_rows_are_not_told(folder):
    file = folder / "ulm.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:10]))
    with pytest.raises(InputError, match="at least 10 rows, or their sums would tell"):
        table_facts(file, "sick")


def test_what_does_not_go_together_is_not_merged(folder):
    bern, ulm = (table_facts(folder / f"{name}.csv", "sick") for name in ("bern", "ulm"))
    with pytest.raises(InputError, match="u2 has facts of ulm, which are in another file"):
        merged([("b", bern), ("u", ulm), ("u2", ulm)])
    file = folder / "genf.csv"
    file.write_text(file.read_text().replace("sick", "ill", 1))
    with pytest.raises(InputError, match="`sick` in the one and `ill` in the other"):
        merged([("bern", bern), ("genf", table_facts(file, "ill"))])
    file.write_text(file.read_text().replace("ill", "sick", 1).replace("dose", "weight", 1))
    with pytest.raises(InputError, match="genf must have the columns of bern, but `dose` is miss"):
        merged([("bern", bern), ("genf", table_facts(file, "sick"))])


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("owners", "ulm", "squares", "age"), "1", "no 12 numbers have .* ulm has for `age`"),
        (("owners", "ulm", "sums", "age"), "1e999999999", "no decimal number"),
        (("owners", "ulm", "sums", "age"), 3.5, "must hold facts"),
        (("owners", "ulm", "sums"), {}, "must hold facts"),
        (("owners", "ulm", "squares", "age"), "1" + "0" * 99, "no 12 numbers have"),
        (("owners", "ulm", "classes"), {"a": 10**12}, "from 10 to 100000000 rows"),
        (("owners", "ulm", "classes"), {"a": 10**8}, "at most 100000000 rows in all"),
        (("owners", "ulm", "classes"), {"a": 9}, "from 10 to 100000000 rows"),
        (("owners", "ulm", "classes"), {}, "ulm must have a row at least of each"),
        (("owners", "ulm", "classes", "no"), 0, "ulm must have a row at least of each"),
        (("owners", "ulm", "classes", "no"), 2.5, "is no whole number"),
        (("owners",), {}, "must have columns and owners"),
        (("owners", "../../etc/passwd"), {"classes": {}}, "`owner` must be 1 to 63"),
        (("columns",), ["age", "age"], "a column is there twice"),
        (("target",), None, "a name is no text"),
    ],
)  # fmt: skip
def test_facts_that_no_table_has_are_refused(folder, path, value, message):
    file = folder / "facts.json"
    found = json.loads(file.read_text())
    place = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(found))
    with pytest.raises(InputError, match=message):
        read_facts(file)


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100000])
def test_what_is_no_facts_is_refused(tmp_path, content):
    (tmp_path / "facts.json").write_text(content)
    with pytest.raises(InputError, match=r"facts.json must"):
        read_facts(tmp_path / "facts.json")
