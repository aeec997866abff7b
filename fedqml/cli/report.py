"""``fedqml report``: make the page of a results folder."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "report",
        help="make a report of results",
        description="Make one page (HTML, also Markdown and CSV) of all runs in a results folder.",
    )
    parser.add_argument("results", nargs="?", default="results", help="default: results")
    parser.add_argument("-o", "--output", default="report", metavar="DIR", help="default: report")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the report and name its page."""
    from fedqml.report import write_report

    page = write_report(Path(options.results), Path(options.output))
    print(f"The report is {page}")
    return 0
