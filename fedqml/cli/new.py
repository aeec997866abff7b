"""``fedqml new``: write a commented experiment file to start from."""

import argparse
from importlib.resources import files
from pathlib import Path
from typing import Any

from fedqml.core.errors import InputError


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "new",
        help="write a commented experiment file",
        description="Write an experiment file that runs as it is, every setting explained.",
    )
    parser.add_argument("file", nargs="?", default="experiment.toml", metavar="FILE")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the file; an existing one is never overwritten."""
    path = Path(options.file)
    text = (files("fedqml.experiments") / "template.toml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise InputError(f"{path} exists already; name another file.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error
    print(f"Wrote {path}. To run it: fedqml run {path}")
    return 0
