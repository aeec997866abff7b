"""``fedqml server``: run what a federation's server runs, until it is stopped."""

import argparse
from pathlib import Path
from typing import Any

from fedqml.cli.stopping import stop_by_signals
from fedqml.core.optional import require_library


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "server",
        help="run the server of a federation",
        description="Run Flower's SuperLink on loopback and nginx before it, from a folder made by "
        "`fedqml federation init`, until Ctrl-C or SIGTERM. Training is started beside it: "
        "fedqml run FILE --federation FOLDER.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the server's folder")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the server; it ends by being stopped, or by an error."""
    require_library("flwr", "flower")
    from fedqml.federation.folders import read_server
    from fedqml.federation.superlink import running, watch

    server = read_server(options.folder)
    stop_by_signals()
    with running(server) as processes:
        print(
            f"Open to sites: {server.address}, port {server.port} "
            f"({', '.join(server.nodes) or 'none yet'}). State and logs: {server.state}",
            flush=True,
        )
        watch(server, processes)
    return 0
