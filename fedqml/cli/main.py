"""The command line: finds the command, and turns a user's mistake into a sentence.

Exit codes: 0 done, 1 a bug, 2 something the user can mend, 3 another process has the run,
130 stopped by the user, 141 whoever read the output has gone (the rounds done are saved).
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from fedqml.cli import (
    analyse,
    catalogue,
    data,
    doctor,
    federation,
    new,
    node,
    report,
    run,
    server,
    show,
)
from fedqml.core.errors import InputError

_COMMANDS = (run, report, catalogue, show, analyse, data, new, doctor, federation, server, node)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="fedqml",
        description="Federated training of quantum and hybrid quantum-classical models.",
        epilog="exit codes: 0 done, 2 a mistake in the input, 3 the run is busy elsewhere, "
        "130 stopped (the rounds done are saved)",
    )
    top.add_argument("--version", action="version", version=f"fedqml {version('fedqml')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A title must not break a terminal that cannot show its letters.
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        return options.execute(options)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"Error: there is not enough memory for this: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f"Stopped. {stop}".strip(), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain again while shutting down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
