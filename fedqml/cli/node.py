"""``fedqml node``: train for a federation what the owner of this machine's data accepts."""

import argparse
from pathlib import Path
from typing import Any

from fedqml.cli.stopping import stop_by_signals
from fedqml.core.optional import require_library

_LARGEST_JOB = 4 << 30  # bytes


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "node",
        help="run a site of a federation",
        description="Connect to the server of a federation and train what it asks for, as far as "
        "the policy in the folder allows, until Ctrl-C or SIGTERM. The folder was made by `fedqml "
        "federation init`; a lost connection is made anew for ever.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the site's folder")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the node; it ends by being stopped, or by a mistake in its folder."""
    require_library("flwr", "flower")
    from fedqml.federation.audit import audit
    from fedqml.federation.flower_node import serve
    from fedqml.federation.folders import read_site
    from fedqml.federation.memory import Memory
    from fedqml.federation.policy import read_policy
    from fedqml.federation.worker import worker

    site = read_site(options.folder)
    policy = read_policy(site.policy)
    policy.require_data(site.hosts)
    stop_by_signals()
    state = site.folder / "state"
    state.mkdir(exist_ok=True)
    with audit(site.folder / "audit.jsonl") as record:
        serve(site, _LARGEST_JOB, worker(site.hosts, Memory(state), policy, record), _say)
    return 0


def _say(sentence: str) -> None:
    from datetime import UTC, datetime

    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {sentence}", flush=True)
