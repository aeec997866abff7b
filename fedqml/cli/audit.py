"""``fedqml federation audit``: what a node was asked, and what it decided."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "audit",
        help="verify and print a node's log",
        description="Verify that no line of a node's log was changed, removed or put in, and print "
        "it. Exit code 2 if one was. The last line shows the value by which lines that were cut "
        "off at the end can be noticed: keep it elsewhere.",
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print a line for each entry."""
    from fedqml.federation.audit import read_log

    log = read_log(options.file)
    for line in log.lines:
        clients = ", ".join(map(str, line["clients"]))
        parts = (
            f"{line['time']}  {line['kind']}: {line['decision']}",
            f"experiment {line['experiment'][:12]}" if line["experiment"] else "",
            "" if line["round"] is None else f"round {line['round']}",
            f"clients {clients}" if clients else "",
            f"{line['bytes_in']} bytes in, {line['bytes_out']} out",
            line["reason"],
        )
        # What a server sent may hold control characters.
        print("  ".join(filter(None, parts)).encode("unicode_escape").decode())
    if log.half:
        print(f"A last line of {log.half} bytes is half-written; the node leaves it out.")
    print(f"{len(log.lines)} lines fit together. Last chain: {log.chain}")
    return 0
