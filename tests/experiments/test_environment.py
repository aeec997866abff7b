import sys
from pathlib import Path

import pytest

import fedqml
from fedqml.experiments.environment import digest, environment

PACKAGE = Path(fedqml.__file__).parent


def test_the_code_is_that_of_the_package():
    assert environment()["code"] == digest(PACKAGE)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "inner" / "b.py").write_text("y = 2\n")
    return tmp_path


def edit(folder):
    (folder / "inner" / "b.py").write_text("y = 3\n")


def rename(folder):
    (folder / "a.py").replace(folder / "c.py")


def move(folder):
    (folder / "a.py").replace(folder / "inner" / "a.py")


def add(folder):
    (folder / "empty.py").touch()


def shift(folder):
    (folder / "a.py").write_text("x = 1\ny = 2\n")
    (folder / "inner" / "b.py").write_text("")


@pytest.mark.parametrize("change", [edit, rename, move, add, shift])
def test_the_digest_changes_with_every_name_and_byte(folder, change):
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


def test_the_digest_is_that_of_python_files_wherever_they_lie(folder, tmp_path_factory):
    before = digest(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"compiled")
    (folder / ".#a.py").symlink_to("somebody@somewhere.1")  # a lock of an editor
    assert digest(folder) == before
    other = tmp_path_factory.mktemp("other") / "there"
    folder.rename(other)
    assert digest(other) == before


@pytest.mark.parametrize(
    ("program", "recorded"),
    [
        (str(PACKAGE / "cli" / "main.py"), "fedqml"),  # python -m fedqml.cli.main
        ("/somewhere/bin/fedqml", "fedqml"),
        ("/somewhere/main.py", "main.py"),
        ("train.py", "train.py"),
        ("-c", "-c"),
    ],
)
def test_the_command_is_what_reruns_it_elsewhere(monkeypatch, program, recorded):
    monkeypatch.setattr(sys, "argv", [program, "run", "my file.toml"])
    assert environment()["command"] == f"{recorded} run 'my file.toml'"
