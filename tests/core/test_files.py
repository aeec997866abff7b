import json
import os
import stat

import pytest

from fedqml.core.files import replacing, write_atomic, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {"x": float("nan")})

    def half_written():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_written()
    assert path.read_text() == '{\n  "x": 1\n}\n'
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    write_atomic(tmp_path / "a", b"1")
    (tmp_path / "b").write_bytes(b"1")
    mode = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert mode[0] == mode[1]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "no" / "a", b"1")


def test_content_is_on_the_disk_before_the_name_and_the_name_before_it_returns(
    tmp_path, monkeypatch
):
    calls = []
    monkeypatch.setattr("fedqml.core.files.fsync", lambda path: calls.append(("fsync", path)))
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda self, target: calls.append(("rename", self, target))
    )
    write_atomic(tmp_path / "a", b"1")
    (temporary,) = [p for p in tmp_path.iterdir() if p.suffix == ".tmp"]
    path = tmp_path / "a"
    assert calls == [("fsync", temporary), ("rename", temporary, path), ("fsync", tmp_path)]


def test_a_file_name_that_is_no_text_reads_back_as_it_was(tmp_path):
    write_json(tmp_path / "a.json", {"name": "\udcff.jpg"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": "\udcff.jpg"}
