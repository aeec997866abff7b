"""A log in which nobody changes a line unnoticed."""

import json
import os
import signal
import subprocess
import sys

import pytest

from fedqml.core.errors import InputError
from fedqml.federation.audit import Entry, audit, read_log

SIGNATURE = 64 * "a"


@pytest.fixture
def file(tmp_path):
    with audit(tmp_path / "audit.jsonl") as record:
        record(Entry("hello", "answered", bytes_in=40, bytes_out=120))
        for round in (1, 2, 3):
            record(Entry("train", "trained", "", SIGNATURE, round, (0, 4), 900, 800))
        record(Entry("train", "refused", "The model is `x`.", SIGNATURE, 4, (0,), 900, 90))
    return tmp_path / "audit.jsonl"


def test_a_log_says_what_was_recorded(file):
    log = read_log(file)
    assert [line["decision"] for line in log.lines] == ["answered", *3 * ["trained"], "refused"]
    line = log.lines[-1]
    del line["time"], line["chain"]
    assert line == {
        "kind": "train", "decision": "refused", "reason": "The model is `x`.",
        "experiment": SIGNATURE, "round": 4, "clients": [0], "bytes_in": 900, "bytes_out": 90,
    }  # fmt: skip
    assert log.half == 0


def test_a_log_goes_on(file):
    with audit(file) as record:
        record(Entry("train", "trained", "ä\n", SIGNATURE, 5, (0,)))
    assert len(read_log(file).lines) == 6


def test_a_server_cannot_fill_the_log_with_a_reason(file):
    with audit(file) as record:
        record(Entry("train", "refused", 10**6 * "x"))
    assert len(read_log(file).lines[-1]["reason"]) == 2000


@pytest.mark.parametrize("number", range(1, 6))
def test_a_changed_line_is_noticed(file, number):
    lines = file.read_text().splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace('"decision": "', '"decision": "not ')
    file.write_text("".join(lines))
    for read in (lambda: read_log(file), lambda: audit(file).__enter__()):
        with pytest.raises(InputError, match=f"line {number} does not fit the line before it"):
            read()


@pytest.mark.parametrize("number", range(1, 5))
def test_a_removed_line_is_noticed(file, number):
    lines = file.read_text().splitlines(keepends=True)
    del lines[number - 1]
    file.write_text("".join(lines))
    with pytest.raises(InputError, match=f"line {number} does not fit"):
        read_log(file)


def test_a_line_put_in_or_swapped_is_noticed(file):
    lines = file.read_text().splitlines(keepends=True)
    for changed in ([*lines[:2], *lines[1:]], [lines[1], lines[0], *lines[2:]], ["\n", *lines]):
        file.write_text("".join(changed))
        with pytest.raises(InputError, match="does not fit"):
            read_log(file)


def test_lines_cut_off_change_the_last_chain(file):
    before = read_log(file).chain
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert read_log(file).chain != before


@pytest.mark.parametrize("length", [1, 60, -1])
def test_a_half_written_line_is_mended_and_said(file, length):
    whole, last = file.read_bytes().splitlines(keepends=True)[:-1], b""
    last = file.read_bytes().splitlines(keepends=True)[-1][:length]
    file.write_bytes(b"".join([*whole, last]))
    assert read_log(file).half == len(last)
    with audit(file) as record:
        record(Entry("hello", "answered"))
    lines = read_log(file).lines
    assert [line["kind"] for line in lines] == ["hello", *3 * ["train"], "mended", "hello"]
    assert f"half-written ({len(last)} bytes)" in lines[4]["reason"]


def test_one_writer_at_a_time(file):
    with audit(file), pytest.raises(InputError, match="written by another node already"):
        audit(file).__enter__()


def test_what_was_recorded_survives_a_kill(tmp_path):
    file = tmp_path / "audit.jsonl"
    script = (
        "import sys; from pathlib import Path; from fedqml.federation.audit import Entry, audit\n"
        f"with audit(Path({str(file)!r})) as record:\n"
        "    for i in range(10**6):\n"
        "        record(Entry('train', 'trained', round=i)); print(i, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        said = [int(process.stdout.readline()) for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        said += [int(line) for line in process.stdout if line.endswith(b"\n")]
    with audit(file):
        rounds = [line["round"] for line in read_log(file).lines if line["kind"] == "train"]
    assert rounds[: len(said)] == said
    assert json.loads(file.read_bytes().splitlines()[0])["round"] == 0
