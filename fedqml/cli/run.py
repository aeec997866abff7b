"""``fedqml run``: run every arm and seed of an experiment."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "run",
        help="run an experiment",
        description="Run every arm and seed of an experiment. What is finished is skipped, what "
        "was interrupted goes on where it stopped: the same command again is always safe.",
    )
    parser.add_argument("experiment", metavar="FILE|NAME", help="a .toml file, or a shipped name")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, e.g. --set local.lr=0.1 (a swept key is then fixed; what an arm "
        "sets for itself stays)",
    )
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="the same as --set engine.use=NAME; with `flower`, the file's engine trains on nodes",
    )
    parser.add_argument(
        "--federation",
        metavar="FOLDER",
        help="train on the nodes of a federation (--engine flower), whose server's folder this is",
    )
    parser.add_argument("--rounds", metavar="N", help="the same as --set run.rounds=N")
    parser.add_argument("--results", default="results", metavar="DIR", help="default: results")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything and list the runs; train nothing"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    output.add_argument("--json", action="store_true", help="print a JSON object a line")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the experiment; see the module ``main`` for the exit codes."""
    # Imported here, so that `fedqml --help` and `fedqml report` need not wait for PyTorch.
    from fedqml.cli.running import run

    return run(options)
