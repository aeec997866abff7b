"""What a federation's server knows: nodes, runs, and until when its certificates are valid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from flwr.proto.control_pb2 import ListNodesRequest, ListRunsRequest

from fedqml.federation.authority import expiry
from fedqml.federation.folders import Server
from fedqml.federation.superlink import control


@dataclass(frozen=True)
class Node:
    """A site's node: registered (never seen), online or offline, and since when."""

    site: str
    status: str
    since: datetime


@dataclass(frozen=True)
class Run:
    """A run of the SuperLink: its id, what it is doing, and since when it is known."""

    id: int
    status: str
    since: datetime


@dataclass(frozen=True)
class Status:
    """All that is known; nodes and runs are ``None`` if the SuperLink does not answer."""

    nodes: Sequence[Node] | None
    runs: Sequence[Run] | None
    certificates: Sequence[tuple[Path, datetime]]


def status(server: Server) -> Status:
    """Ask the SuperLink on this machine, and read the certificates in the server's folder.

    Raises:
        InputError: if a certificate of the folder is missing or unusable.
    """
    paths = [server.folder / name for name in ("ca.crt", "server.crt", "loopback.crt")]
    certificates = [(path, expiry(path)) for path in paths]
    with control(server) as client:
        try:
            nodes = client.ListNodes(ListNodesRequest()).nodes_info
            runs = client.ListRuns(ListRunsRequest()).run_dict.values()
        except httpx.TransportError:
            return Status(None, None, certificates)
    since = {
        "registered": "registered_at",
        "online": "last_activated_at",
        "offline": "last_deactivated_at",
    }
    return Status(
        [
            Node(node.name, node.status, _time(getattr(node, since[node.status])))
            for node in sorted(nodes, key=lambda node: node.name)
            if node.status in since
        ],
        [
            Run(run.run_id, run.status.sub_status or run.status.status, _time(run.pending_at))
            for run in sorted(runs, key=lambda run: run.pending_at)
        ],
        certificates,
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
