"""Parcels as messages of Flower 1.41, for both sides.

Flower stores what it carries by content: the weights that all nodes get are sent to it once. A body
travels in chunks, so that no request is large; only numbers and bytes are read from a message.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree, PullObjectResponse
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    get_object_type_from_object_content,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.protobuf.client import ProtobufClient

from fedqml.core.errors import InputError
from fedqml.engines.remote.job import Parcel

CHUNK = 5 << 20  # bytes
_OVERHEAD = 1 << 12  # bytes of an object beside its content
_FEW = 16  # objects of a message beside its chunks
Client = TypeVar("Client", bound=ProtobufClient)
_KINDS = {"Message", "RecordDict", "ConfigRecord"}
_POLL = 0.05  # seconds between looks for an object
_PATIENCE = 60.0  # seconds for an object to be uploaded


def records(parcel: Parcel, chunks: Mapping[str, ConfigRecord]) -> RecordDict:
    """Return a message's content.

    Args:
        parcel: what is sent.
        chunks: of its body, which messages can share.
    """
    return RecordDict({"head": ConfigRecord({"": parcel.head}), **chunks})


def chunked(body: bytes) -> dict[str, ConfigRecord]:
    """Return a body's chunks, by their names in order."""
    starts = range(0, len(body), CHUNK)
    return {f"{s // CHUNK:08d}": ConfigRecord({"": body[s : s + CHUNK]}) for s in starts}


def envelope(message: Message) -> tuple[MessageProto, ObjectTree]:
    """Return what announces a message whose objects follow."""
    message.metadata.__dict__["_message_id"] = message.object_id
    return message_to_proto(remove_content_from_message(message)), get_object_tree(message)


def push(message: Message, wanted: set[str], send: Callable[[str, bytes], Any]) -> None:
    """Send those of a message's objects that the other side does not have, one at a time.

    Args:
        message: the message.
        wanted: the objects that are wanted; those sent are taken from it.
        send: sends an object's content.
    """
    for name, thing in get_all_nested_objects(message).items():
        if name in wanted:
            send(name, thing.deflate())
            wanted.discard(name)


def pull(identifier: str, tree: ObjectTree, limit: int, get: Callable[[str], bytes]) -> Message:
    """Return a message with its content.

    Args:
        identifier: of the message.
        tree: its objects.
        limit: bytes that it may have.
        get: fetches an object.

    Raises:
        InputError: if it is larger, or what it says of itself does not hold.
    """
    contents: dict[str, bytes] = {}
    fetch(tree, limit, get, contents)
    return inflated(identifier, contents)


def fetch(
    tree: ObjectTree, limit: int, get: Callable[[str], bytes | None], contents: dict[str, bytes]
) -> bool:
    """Fetch a message's objects up to the first that is not there yet; return whether all are.

    Args:
        tree: the objects.
        limit: bytes that the message may have.
        get: fetches an object; None if its sender may still be uploading it.
        contents: the objects fetched before, to which the others are added.

    Raises:
        InputError: if the message is larger.
    """
    names = list(dict.fromkeys(node.object_id for node in iterate_object_tree(tree)))
    if len(names) > limit // CHUNK + _FEW:
        raise InputError(f"The message has {len(names)} objects, too many for {limit} bytes.")
    left = limit + len(names) * _OVERHEAD - sum(map(len, contents.values()))
    for name in names:
        if name in contents:
            continue
        found = get(name)
        if found is None:
            return False
        contents[name] = found
        left -= len(found)
        if left < 0:
            raise InputError(f"The message has more than {limit} bytes.")
    return True


def inflated(identifier: str, contents: Mapping[str, bytes]) -> Message:
    """Return the message that all its objects make.

    Raises:
        InputError: if what it says of itself does not hold.
    """
    try:
        # Flower's arrays can name one chunk many times, and would grow before anybody looks.
        kinds = {get_object_type_from_object_content(content) for content in contents.values()}
        if not kinds <= _KINDS:
            raise TypeError(f"it holds {sorted(kinds - _KINDS)}")
        found = inflate_object_from_contents(identifier, dict(contents))
    except Exception as error:  # Flower's own checks raise what they like
        raise InputError(f"The message is malformed: {type(error).__name__}: {error}") from error
    if not isinstance(found, Message):
        raise InputError("The message is malformed: it is no message.")
    return found


def content(get: Callable[[], PullObjectResponse]) -> bytes:
    """Return an object, which its sender may still be uploading.

    Raises:
        InputError: if it is not there, or does not come.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        response = get()
        if response.object_available:
            found: bytes = response.object_content
            return found
        if not response.object_found or time.monotonic() > end:
            raise InputError("A part of the message is missing.")
        time.sleep(_POLL)


def parcel(message: Message, limit: int) -> Parcel:
    """Return the parcel in a message.

    Raises:
        InputError: if there is none, or a larger one.
    """
    try:
        parts: dict[str, Any] = {n: record[""] for n, record in message.content.items()}
        if not all(type(part) is bytes for part in parts.values()):
            raise TypeError("its parts must be bytes")
        head = parts.pop("head")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"The message holds no parcel: {error!r}") from error
    chunks = [parts[name] for name in sorted(parts)]
    # A chunk can be named many times, so what was sent tells nothing of what it amounts to.
    if len(head) + sum(map(len, chunks)) > limit:
        raise InputError(f"The message has more than {limit} bytes.")
    return Parcel(head, b"".join(chunks))


def direct(client: Client) -> Client:
    """Return a client of Flower's that follows no redirect: they could lead anywhere, unencrypted.

    A redirect is an error of the network to it.
    """
    client._client.follow_redirects = False
    return client


class Heartbeat:
    """Something done again and again beside the work, until it is stopped.

    Args:
        beat: what is done; an error of the network is left to the next beat.
        every: seconds between.
    """

    def __init__(self, beat: Callable[[], Any], every: float) -> None:
        self._stopped = threading.Event()
        self._beat, self._every = beat, every
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Do it no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            try:
                self._beat()
            except httpx.HTTPError:
                continue
