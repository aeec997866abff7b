"""What carries parcels between the server and its nodes."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fedqml.engines.remote.job import Host, Parcel


@dataclass(frozen=True)
class Answer:
    """What came back from a node.

    Attributes:
        node: the node.
        parcel: its answer, or None if there is none to wait for.
        reason: why there is none.
    """

    node: str
    parcel: Parcel | None
    reason: str = ""


@runtime_checkable
class Transport(Protocol):
    """The way to the nodes; each has a name, proven by its key."""

    def nodes(self) -> Collection[str]:
        """Return the nodes that are connected now."""
        ...

    def hosts(self) -> Mapping[str, Collection[Host]]:
        """Return whom each node may train for: no node decides that itself."""
        ...

    def exchange(
        self, parcels: Mapping[str, Parcel], limits: Mapping[str, int], seconds: float
    ) -> Iterator[Answer]:
        """Send each node its parcel and yield what comes back, as it comes.

        Args:
            parcels: by node.
            limits: bytes of the largest answer to be read, by node.
            seconds: how long to wait; who has not answered by then is not in the result, and
                what it sends later is thrown away.
        """
        ...
