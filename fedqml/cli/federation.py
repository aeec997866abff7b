"""``fedqml federation``: what the people of a real federation need beside its runs."""

from typing import Any

from fedqml.cli import audit, signature

_COMMANDS = (signature, audit)


def add(commands: Any) -> None:
    """Add the command's own commands."""
    parser = commands.add_parser(
        "federation",
        help="what the people of a real federation need",
        description="Commands for those who run a federation of several machines.",
    )
    own = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(own)
