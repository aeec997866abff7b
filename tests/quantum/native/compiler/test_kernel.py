"""What becomes of machine code between processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import no_type_check

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from fedqml.quantum import native
from fedqml.quantum.native.compiler import kernel as compiled
from fedqml.quantum.native.compiler.arrays import array


@no_type_check
def twice(like, numbers, count):
    own = array(numbers, (count,), like.dtype)
    for k in range(count):
        own[k] = 2 * own[k]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path))
    return tmp_path / "kernels"


def doubled(dtype=np.float64):
    """Compile or load the kernel, and return what it makes of 1, 2, 3."""
    numbers = np.array([1, 2, 3], dtype)
    compiled.kernel(twice)(numbers)(numbers.ctypes.data, len(numbers))
    return numbers.tolist()


def test_what_was_compiled_is_taken_from_disk(folder, monkeypatch):
    for dtype in (np.float32, np.float64):
        assert doubled(dtype) == [2, 4, 6]
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr(compiled, "_compile", None)
    assert doubled() == [2, 4, 6]


@pytest.mark.parametrize("damage", [b"", lambda code: code[:-9], lambda code: code[:40]])
def test_damaged_files_are_compiled_again(folder, damage):
    doubled()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole) if callable(damage) else damage)
    assert doubled() == [2, 4, 6]
    assert path.read_bytes() == whole


def test_what_others_could_have_written_is_not_run(folder, monkeypatch):
    doubled()
    (path,) = folder.iterdir()
    compile, found = compiled._compile, []
    monkeypatch.setattr(compiled, "_compile", lambda source: found.append(1) or compile(source))
    doubled()
    assert not found
    path.chmod(0o666)
    doubled()
    assert len(found) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    doubled()
    assert len(found) == 2


def test_other_sources_are_other_code(tmp_path):
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("a = 1")
    other.write_text("a = 2")
    assert compiled._surroundings(one) != compiled._surroundings(other)


def test_a_folder_that_cannot_be_written_costs_time_only(folder):
    folder.write_text("not a folder")
    with pytest.warns(UserWarning, match=r"cannot be kept .*kernels.*FEDQML_CACHE"):
        assert doubled() == [2, 4, 6]


def test_without_a_home_there_is_no_folder(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compiled, "cache_folder", nowhere)
    with pytest.warns(UserWarning, match="cannot be kept .*home directory"):
        assert doubled() == [2, 4, 6]


def test_files_that_changed_since_the_import_are_not_compiled(folder, monkeypatch):
    monkeypatch.setattr(native, "SOURCES", "others")
    with pytest.raises(RuntimeError, match="have changed since this process imported them"):
        doubled()
    assert not folder.exists()


def test_processes_that_compile_at_once(folder):
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from tests.quantum.native.compiler.test_kernel import doubled
assert doubled() == [2, 4, 6]
"""
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(list(folder.iterdir())) == 1
