"""Which node trains which clients."""

import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import torch

from fedqml.core.errors import InputError
from fedqml.engines.remote.job import Host, Job, Parcel, largest_reply, read_reply, shown
from fedqml.engines.remote.transport import Transport

_GREETING = 30.0  # seconds for the answer to a hello
_AGAIN = 10.0  # seconds before a node that was turned away is asked anew


class Roster:
    """The nodes that have said whom they host: of those whom they are to host, no other.

    Args:
        transport: the way to the nodes.
        software: the server's version of fedqml.
        names: name of each client's owner, or None for a client without one.

    Raises:
        InputError: if a client is to be hosted by two nodes.
    """

    def __init__(self, transport: Transport, software: str, names: Sequence[str | None]) -> None:
        self._transport, self._software = transport, software
        self._numbers: Mapping[Host, int] = {
            **{number: number for number in range(len(names))},
            **{name: number for number, name in enumerate(names) if name is not None},
        }
        self._home: dict[int, str] = {}  # where a client belongs
        for node, hosts in sorted(transport.hosts().items()):
            for client in sorted(self._known(hosts)):
                other = self._home.setdefault(client, node)
                if other != node:
                    raise InputError(f"Client {client} is to be hosted by {other} and by {node}.")
        self._node_of: dict[int, str] = {}
        self._greeted: set[str] = set()
        self._turned_away: dict[str, tuple[float, str]] = {}

    def groups(self, clients: Iterable[int], seconds: float) -> dict[str, list[int]]:
        """Return the clients by node, as far as their nodes are connected now.

        Args:
            clients: whose nodes are sought.
            seconds: how long new nodes have to answer.
        """
        connected = set(self._transport.nodes())
        now = time.monotonic()
        self._turned_away = {n: v for n, v in self._turned_away.items() if n in connected}
        recent = {n for n, (when, _) in self._turned_away.items() if now < when + _AGAIN}
        self._greet(connected - self._greeted - recent, min(seconds, _GREETING))
        groups: dict[str, list[int]] = {}
        for client in clients:
            node = self._node_of.get(client)
            if node in connected:
                groups.setdefault(node, []).append(client)
        return groups

    def refusals(self, clients: Collection[int]) -> dict[str, str]:
        """Return which connected nodes that are to host one of the clients cannot, and why."""
        homes = {self._home.get(client) for client in clients if client not in self._node_of}
        return {
            node: why
            for node, (when, why) in self._turned_away.items()
            if when > -math.inf and node in homes
        }

    def missing(self, client: int) -> str:
        """Return why a client's node cannot be asked."""
        node = self._node_of.get(client)
        if node is not None:
            return f"The node {node} is not connected."
        home = self._home.get(client)
        if home is None:
            return "No node is to host it."
        _, why = self._turned_away.get(home, (0.0, "It is not connected, or does not host it."))
        return f"The node {home} is to host it. {why}"

    def _greet(self, nodes: Collection[str], seconds: float) -> None:
        if not nodes:
            return
        jobs = {node: Job("hello", self._software) for node in nodes}
        parcels = {node: job.parcel() for node, job in jobs.items()}
        limits = dict.fromkeys(nodes, largest_reply(0, torch.zeros(0)))
        # Who is silent or vanishes is greeted again at once, as soon as it is there.
        silent = -math.inf, "It does not answer; perhaps it is still at an earlier job."
        self._turned_away |= dict.fromkeys(nodes, silent)
        for answer in self._transport.exchange(parcels, limits, seconds):
            node, parcel = answer.node, answer.parcel
            if parcel is None:
                self._turned_away[node] = -math.inf, shown(answer.reason)
                continue
            try:
                self._enter(node, parcel, jobs[node])
            except InputError as error:
                self._turned_away[node] = time.monotonic(), shown(str(error))

    def _enter(self, node: str, parcel: Parcel, job: Job) -> None:
        reply = read_reply(parcel, job, torch.zeros(0))
        if reply.refusal:
            raise InputError(reply.refusal)
        if reply.software != self._software:
            raise InputError(other_software(self._software, reply.software))
        clients = self._known(reply.hosts)
        for client in sorted(clients):
            if self._home.get(client) != node:
                raise InputError(
                    f"It claims client {client}, which it is not to host: the server's folder says "
                    "who hosts whom (nodes/NAME.toml)."
                )
        self._node_of |= dict.fromkeys(clients, node)
        self._greeted.add(node)
        del self._turned_away[node]

    def _known(self, hosts: Collection[Host]) -> set[int]:
        return {self._numbers[host] for host in hosts if host in self._numbers}


def other_software(server: str, node: str) -> str:
    """Return the sentence for versions that differ, the same at both sides."""
    return (
        f"The server has {server}, but the node has {node}: both must have the same. Install the "
        "same version at both, and start them anew."
    )
