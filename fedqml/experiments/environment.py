"""What a run was made with: versions, code, machine, command."""

import hashlib
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("fedqml", "torch", "numpy", "llvmlite", "safetensors", "scikit-learn", "matplotlib")
OPTIONAL = ("pennylane", "qulacs")

_PACKAGE = Path(__file__).resolve().parents[1]


def versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Return the packages' versions; None for one that is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def environment() -> dict[str, Any]:
    """Return the content of ``environment.json``."""
    # a library that runs circuits or once held them was imported by the device or the reader
    used = tuple(name for name in OPTIONAL if name in sys.modules)
    return {
        **versions(PACKAGES + used),
        "code": _code(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": _command(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def digest(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of all Python files in a folder.

    Args:
        folder: with all folders in it.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
    sha = hashlib.sha256()
    for name, path in sorted(files.items()):
        if path.is_file():  # some editors leave links without a target beside a file
            content = path.read_bytes()
            sha.update(f"{name!r} {len(content)}\n".encode(errors="backslashreplace"))
            sha.update(content)
    return sha.hexdigest()


def software() -> str:
    """Return fedqml's version and its code's digest, which both sides of a round must share."""
    return f"fedqml {version('fedqml')} (code {_code():.12})"


@cache
def _code() -> str:
    # Read once: what was imported does not change with the files.
    return digest(_PACKAGE)


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _command() -> str:
    # Only the program's name: where it lies on this machine helps nobody who reruns it.
    program = Path(sys.argv[0])
    module = program.resolve() == _PACKAGE / "cli" / "main.py"  # python -m fedqml.cli.main
    return shlex.join(["fedqml" if module else program.name, *sys.argv[1:]])
