"""``fedqml data facts`` and ``fedqml federation`` as people at a site have them."""

import shutil

import pytest

from fedqml.cli.main import main
from fedqml.data.facts import read_facts
from fedqml.federation.audit import Entry, audit
from tests.data.owner_folders import SIZES, pooled_folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = pooled_folder(tmp_path / "pooled")
    (folder / "facts.json").rename(tmp_path / "expected.json")
    monkeypatch.chdir(folder)
    return folder


def run(capsys, *arguments):
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_facts_of_owners_are_made_and_merged(here, capsys):
    for name, rows in SIZES.items():
        code, out, _ = run(capsys, "data", "facts", f"{name}.csv", "--target", "sick")
        assert code == 0
        assert out.startswith(f"{name}: {rows} rows (")
        assert f"{name}.facts.json holds numbers of rows, sums and sums of squares; no row." in out
    files = [f"{name}.facts.json" for name in SIZES]
    code, out, _ = run(capsys, "data", "facts", "--merge", *files)
    assert (code, len(out.splitlines())) == (0, len(SIZES) + 1)
    assert read_facts(here / "facts.json") == read_facts(here.parent / "expected.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("facts", "bern.csv"), "fedqml data facts bern.csv --target COLUMN"),
        (("facts", "bern.csv", "ulm.csv", "--target", "sick"), "fedqml data facts bern.csv"),
        (("facts", "--merge", "x.json", "--target", "sick"), "facts --merge *.facts.json"),
        (("facts", "no.csv", "--target", "sick"), "no.csv must be readable"),
        (("facts", "bern.csv", "--target", "sik"), "Did you mean `sick`?"),
        (("facts", "test.csv", "--target", "sick"), "neither `test` nor `facts`"),
        (("pets", "dogs"), "takes one path or name"),
    ],
)
def test_what_facts_cannot_do(here, capsys, arguments, message):
    code, _, err = run(capsys, "data", *arguments)
    assert code == 2
    assert message in err


def test_a_signature_for_each_arm(here, capsys):
    code, out, _ = run(capsys, "federation", "signature", "breast_cancer")
    lines = out.splitlines()
    assert code == 0
    assert len({line.split()[0] for line in lines}) == len(lines) == 4
    assert lines[0].endswith("  local.epochs = 1, seeds 0, 1, 2")
    _, fewer, _ = run(capsys, "federation", "signature", "breast_cancer", "--set", "run.rounds=2")
    assert fewer.splitlines()[0] != lines[0]
    _, told, _ = run(capsys, "federation", "signature", "breast_cancer", "--settings")
    assert '"use": "dense_vqc"' in told
    assert '"engine"' not in told


def test_a_log_is_printed_if_it_fits_together(here, capsys):
    file = here / "audit.jsonl"
    with audit(file) as record:
        record(Entry("train", "refused", "No \x1b[31m.", 64 * "a", 3, (1, 2), 10, 20))
    code, out, _ = run(capsys, "federation", "audit", str(file))
    assert code == 0
    shown = "train: refused  experiment aaaaaaaaaaaa  round 3  clients 1, 2  10 bytes in, 20 out"
    assert f"{shown}  No \\x1b[31m." in out.splitlines()[0]
    assert "1 lines fit together. Last chain: " in out
    shutil.copy(file, here / "other")
    file.write_text(file.read_text().replace("refused", "trained"))
    code, _, err = run(capsys, "federation", "audit", str(file))
    assert code == 2
    assert "line 1 does not fit" in err
