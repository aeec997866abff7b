"""Which node trains which clients."""

import math
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import torch

from fedqml.core.errors import InputError
from fedqml.engines.remote.job import Host, Job, Parcel, largest_reply, read_reply
from fedqml.engines.remote.transport import Transport

_GREETING = 30.0  # seconds for the answer to a hello
_AGAIN = 10.0  # seconds before a node that was turned away is asked anew


class Roster:
    """The nodes that have said whom they host, each client at one node only.

    Args:
        transport: the way to the nodes.
        software: the server's version of fedqml.
        names: name of each client's owner, or None for a client without one.
    """

    def __init__(self, transport: Transport, software: str, names: Sequence[str | None]) -> None:
        self._transport, self._software = transport, software
        self._numbers: Mapping[Host, int] = {
            **{number: number for number in range(len(names))},
            **{name: number for number, name in enumerate(names) if name is not None},
        }
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

    def refusals(self) -> dict[str, str]:
        """Return which connected nodes cannot take part, and why."""
        return {node: why for node, (when, why) in self._turned_away.items() if when > -math.inf}

    def missing(self, client: int) -> str:
        """Return why a client's node cannot be asked."""
        node = self._node_of.get(client)
        if node is not None:
            return f"The node {node} is not connected."
        reasons = [f" {node}: {why}" for node, (_, why) in sorted(self._turned_away.items())]
        return "No connected node hosts it." + "".join(reasons)

    def _greet(self, nodes: Collection[str], seconds: float) -> None:
        if not nodes:
            return
        jobs = {node: Job("hello", self._software) for node in nodes}
        parcels = {node: job.parcel() for node, job in jobs.items()}
        limit = largest_reply(0, torch.zeros(0))
        # Who is silent or vanishes is greeted again at once, as soon as it is there.
        silent = -math.inf, "It does not answer; perhaps it is still at an earlier job."
        self._turned_away |= dict.fromkeys(nodes, silent)
        for answer in self._transport.exchange(parcels, limit, seconds):
            node, parcel = answer.node, answer.parcel
            if parcel is None:
                self._turned_away[node] = -math.inf, answer.reason
                continue
            try:
                self._enter(node, parcel, jobs[node])
            except InputError as error:
                self._turned_away[node] = time.monotonic(), str(error)

    def _enter(self, node: str, parcel: Parcel, job: Job) -> None:
        reply = read_reply(parcel, job, torch.zeros(0))
        if reply.refusal:
            raise InputError(reply.refusal)
        if reply.software != self._software:
            raise InputError(other_software(self._software, reply.software))
        refusal = self._transport.refusal(node, reply.hosts)
        if refusal:
            raise InputError(refusal)
        clients = {self._numbers[host] for host in reply.hosts if host in self._numbers}
        for client in sorted(clients):
            other = self._node_of.get(client, node)
            if other != node:
                raise InputError(f"It claims client {client}, which the node {other} hosts.")
        self._node_of |= dict.fromkeys(clients, node)
        self._greeted.add(node)
        del self._turned_away[node]


def other_software(server: str, node: str) -> str:
    """Return the sentence for versions that differ, the same at both sides."""
    return (
        f"The server has {server}, but the node has {node}: both must have the same. Install the "
        "same version at both, and start them anew."
    )
