"""``fedqml analyse``: what an experiment's circuits are worth before they are trained."""

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "analyse",
        help="analyse the circuits of an experiment",
        description="Analyse every different circuit of an experiment at random weights and "
        "inputs: weights without influence, size of the gradients, expressibility, entangling "
        "capability. Writes analysis.json, analysis.md and figures; trains nothing.",
    )
    parser.add_argument("experiment", metavar="FILE|NAME", help="a .toml file, or a shipped name")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, as in run",
    )
    parser.add_argument("-o", "--output", default="analysis", metavar="DIR")
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="seeds 0 to N - 1 (default: 5)"
    )
    parser.add_argument(
        "--samples", type=int, default=2000, metavar="N", help="states a seed (default: 2000)"
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the analysis and name its page."""
    # Imported here, so that `fedqml --help` need not wait for PyTorch.
    from fedqml.cli.analysing import analyse

    return analyse(options)
