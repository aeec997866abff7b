"""A real federation on loopback, for tests: its folders, with free ports."""

import shutil
import socket
from pathlib import Path

import pytest

from fedqml.federation.folders import Server, init, read_server

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin") is None,
    reason="nginx is not installed (apt-get install nginx-light)",
)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for held in sockets:
        held.bind(("127.0.0.1", 0))
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def make(folder: Path, *sites: str) -> Server:
    """Make the folders of a federation whose server listens on loopback only."""
    port, inner = free_ports(2)
    init(folder, [f"127.0.0.1:{port}", "localhost"], sites, days=30)
    path = folder / "server" / "server.toml"
    text = path.read_text().replace("9442", str(inner)).replace("0.0.0.0", "127.0.0.1")
    path.write_text(text.replace("largest_request = 16", "largest_request = 6"))
    return read_server(path.parent)
