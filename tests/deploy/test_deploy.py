"""What is shipped to run a federation without a person: systemd units and a container's file."""

import json
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from fedqml.cli.main import parser
from fedqml.federation.folders import PORT

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyse(tmp_path, unit, *arguments):
    """Ask systemd about a unit whose program exists."""
    path = tmp_path / unit.name
    path.write_text(unit.read_text().replace("/opt/fedqml/bin/fedqml", shutil.which("true")))
    command = ["systemd-analyze", *arguments, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_no_mistake(tmp_path, unit):
    found = analyse(tmp_path, unit, "verify", "--man=no")
    assert (found.returncode, found.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_little_is_exposed_by_systemds_own_count(tmp_path, unit):
    found = analyse(tmp_path, unit, "security", "--offline=true", "--threshold=20")
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_unit_starts_is_a_command(unit):
    lines = unit.read_text().splitlines()
    (start,) = [line.partition("=")[2] for line in lines if line.startswith("ExecStart=")]
    parser().parse_args(shlex.split(start)[1:])


def instructions():
    text = (ROOT / "deploy" / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_container_holds_files_that_exist():
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY"]
    names = [name for names in copied for name in names]
    assert "fedqml" in names
    assert all((ROOT / name).exists() for name in names)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(names)
    assert "flower" in project["optional-dependencies"]


def test_the_container_starts_a_server_that_is_not_root():
    values = dict(instructions())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = json.loads(values["ENTRYPOINT"])
    assert entry in project["scripts"]
    parser().parse_args(json.loads(values["CMD"]))
    assert values["USER"] not in ("root", "0")
    assert values["EXPOSE"] == str(PORT)
