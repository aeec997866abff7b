"""``fedqml federation signature``: by what the owner of data accepts an experiment."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "signature",
        help="print by what the owner of data accepts an experiment",
        description="Print the signature of each arm of an experiment, for `experiments` in a "
        "node's policy: the SHA-256 of all its settings but the engine. It is the same for every "
        "seed. To read all that it stands for: fedqml federation signature FILE --settings.",
    )
    parser.add_argument("experiment", metavar="FILE|NAME", help="a .toml file, or a shipped name")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, as the server's `fedqml run` does",
    )
    parser.add_argument("--settings", action="store_true", help="print the settings, too")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print a line for each arm: signature, label, seeds."""
    import json

    from fedqml.cli.own_code import find_own_code
    from fedqml.experiments.config import load
    from fedqml.experiments.experiment import signature

    find_own_code(options.experiment)
    arms: dict[str, tuple[str, list[int], Any]] = {}
    for run in load(options.experiment, options.set):
        _, seeds, _ = arms.setdefault(signature(run.config), (run.arm, [], run.config))
        seeds.append(run.seed)
    for digits, (arm, seeds, config) in arms.items():
        print(f"{digits}  {arm}, seeds {', '.join(map(str, seeds))}")
        if options.settings:
            print(json.dumps({k: v for k, v in config.items() if k != "engine"}, indent=2))
    return 0
