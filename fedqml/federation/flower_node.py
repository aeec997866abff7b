"""A node on Flower 1.41: it fetches jobs and brings back replies, for ever.

It asks the SuperLink for messages and takes nothing but their bytes: the bundle that comes with
Flower's runs is never fetched, so nobody can have it run code.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flwr.app import Message
from flwr.common.serde import message_from_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.supercore.error import FlowerError
from flwr.supercore.inflatable.inflatable_object import no_object_id_recompute
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from fedqml.core.errors import InputError
from fedqml.core.files import write_atomic
from fedqml.engines.remote.job import Parcel, shown
from fedqml.federation.flower_wire import (
    Heartbeat,
    chunked,
    content,
    direct,
    envelope,
    parcel,
    pull,
    push,
    records,
)
from fedqml.federation.folders import Site
from fedqml.federation.worker import Work

_POLL = 0.15  # seconds between looks for jobs
_BEAT = 4.0  # seconds between heartbeats
_INTERVAL = 10.0  # seconds: what the SuperLink is told; two without a sign, and it gives a node up
_LONGEST_PAUSE = 10.0  # seconds between attempts to connect
_ATTEMPTS = 2  # at a job: a killed node tries it once more, but a job that ends two is refused

Log = Callable[[str], None]
"""Takes a sentence for the node's owner."""


def serve(site: Site, limit: int, work: Work, log: Log) -> None:
    """Answer jobs, and connect anew whenever the connection is lost.

    Args:
        site: the node's folder: where the server is, and what proves who this is.
        limit: bytes of the largest job that is taken.
        work: what answers a job.
        log: takes a sentence on whatever the owner should know.

    Raises:
        InputError: if a certificate or the key cannot be used.
    """
    trusted, key = site.tls(), _key(site)
    (site.folder / "state").mkdir(exist_ok=True)
    pause = 0.0
    while True:
        auth = NodeAuthHttpInterceptor(key, key.public_key())
        version = RuntimeVersionHttpInterceptor(component_name="fedqml node")
        url = f"https://{site.server}"
        with direct(_Client(url, interceptors=[version, auth], verify=trusted)) as client:
            try:
                visit = _Visit(client, site, limit, log)
                log(f"Connected to {site.server}; waiting for jobs.")
                pause = 0.0
                visit.stay(work)
            except httpx.HTTPError as error:
                pause = min(max(1.0, 2 * pause), _LONGEST_PAUSE)
                log(f"{_reason(error, site)} Trying again in {pause:g} s.")
                time.sleep(pause)


class _Client(FleetHttpClient):
    """Flower's client; what is no answer is a lost connection."""

    def _unary_unary(self, **call: Any) -> Any:
        try:
            return super()._unary_unary(**call)
        except ValueError as error:
            raise httpx.RemoteProtocolError(str(error)) from error


class _Visit:
    """A node at its server, from connecting to the first error."""

    def __init__(self, client: FleetHttpClient, site: Site, limit: int, log: Log) -> None:
        self._client, self._limit, self._log = client, limit, log
        self._number = site.folder / "state" / "node-id"
        self._pulled = site.folder / "state" / "pulled"  # a job that has not been answered
        self._begun = site.folder / "state" / "begun"  # how often that job was begun, not ended
        self._node = Node(node_id=self._arrive(public_key_to_bytes(_key(site).public_key())))

    def stay(self, work: Work) -> None:
        """Answer jobs until the connection is lost."""
        heartbeat = Heartbeat(lambda: self._beat(self._node.node_id), _BEAT)
        try:
            while True:
                job = self._next()
                if job is None:
                    time.sleep(_POLL)
                    continue
                try:
                    self._answer(job, work)
                except httpx.HTTPStatusError as error:
                    if error.response.status_code >= 500:
                        raise
                    self._log(f"A job was given up: {_told(error)}")
                self._pulled.unlink(missing_ok=True)
                self._begun.unlink(missing_ok=True)
        except KeyboardInterrupt:
            with suppress(httpx.HTTPError):
                self._client.DeactivateNode(DeactivateNodeRequest(node_id=self._node.node_id))
            raise
        finally:
            heartbeat.stop()

    def _arrive(self, public_key: bytes) -> int:
        request = ActivateNodeRequest(public_key=public_key, heartbeat_interval=_INTERVAL)
        try:
            number: int = self._client.ActivateNode(request).node_id
        except httpx.HTTPStatusError as refused:
            # A node that died and is back at once still counts as connected: it goes on as such.
            try:
                number = int(self._number.read_text(encoding="ascii"))
                self._beat(number)
            except (FileNotFoundError, ValueError, httpx.HTTPStatusError):
                raise refused from None
        write_atomic(self._number, str(number).encode("ascii"))
        return number

    def _beat(self, number: int) -> None:
        node = Node(node_id=number)
        self._client.SendNodeHeartbeat(
            SendNodeHeartbeatRequest(node=node, heartbeat_interval=_INTERVAL)
        )

    def _next(self) -> PullMessagesResponse | None:
        """Return the job that was not answered when this node died, or the next one."""
        with suppress(FileNotFoundError):
            return PullMessagesResponse.FromString(self._pulled.read_bytes())
        response = self._client.PullMessages(PullMessagesRequest(node=self._node))
        if not response.messages_list:
            return None
        try:
            message_from_proto(response.messages_list[0])
            response.message_object_trees[0]
        except Exception as error:  # Flower's own checks raise what they like
            raise httpx.RemoteProtocolError(f"malformed job: {error!r}") from error
        write_atomic(self._pulled, response.SerializeToString())
        return response

    def _attempt(self, work: Callable[[], Parcel]) -> Parcel | None:
        """Return the reply to the job, or None if the node has ended too often while it did it."""
        begun = int(self._begun.read_text(encoding="ascii")) if self._begun.exists() else 0
        if begun >= _ATTEMPTS:
            return None
        write_atomic(self._begun, str(begun + 1).encode("ascii"))
        try:
            reply = work()
        except (KeyboardInterrupt, httpx.HTTPError):
            self._begun.unlink()
            raise
        self._begun.unlink()
        return reply

    def _answer(self, response: PullMessagesResponse, work: Work) -> None:
        announced = message_from_proto(response.messages_list[0])
        run, name = announced.metadata.run_id, announced.metadata.message_id

        def get(part: str) -> bytes:
            request = PullObjectRequest(node=self._node, run_id=run, object_id=part)
            return content(lambda: self._client.PullObject(request))

        tree = response.message_object_trees[0]

        def job() -> Parcel | str:
            try:
                return parcel(pull(name, tree, self._limit, get), self._limit)
            except InputError as error:
                return str(error)

        reply = self._attempt(lambda: work(job()))
        if reply is None:
            reply = work(f"This job was begun {_ATTEMPTS} times, and each time this node ended.")
        with no_object_id_recompute():
            message = Message(records(reply, chunked(reply.body)), reply_to=announced)
            del reply  # the message has a copy
            proto, tree = envelope(message)
            answer = self._client.PushMessages(
                PushMessagesRequest(
                    node=self._node, messages_list=[proto], message_object_trees=[tree]
                )
            )

            def send(part: str, data: bytes) -> None:
                self._client.PushObject(
                    PushObjectRequest(
                        node=self._node,
                        run_id=run,
                        object_id=part,
                        object_content=data,
                        session_id=answer.session_id,
                    )
                )

            push(message, set(answer.objects_to_push), send)
        self._client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(node=self._node, run_id=run, message_object_id=name)
        )


def _key(site: Site) -> ec.EllipticCurvePrivateKey:
    try:
        found = load_pem_private_key(site.key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"The key of the node {site.name} cannot be used: {error}") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise InputError(f"The key of the node {site.name} must be one on the curve P-384.")
    return found


def _reason(error: httpx.HTTPError, site: Site) -> str:
    """Return a sentence on why there is no connection."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"The server at {site.server} refuses this node: {_told(error)}"
    return f"The server at {site.server} cannot be reached: {shown(str(error))}."


def _told(error: httpx.HTTPStatusError) -> str:
    """Return what the SuperLink says, or the proxy before it."""
    try:
        said = FlowerError.from_json(error.response.text)
    except (ValueError, RecursionError):
        said = None
    if said is None:
        return f"HTTP {error.response.status_code}."
    return shown(f"{said.message} [{said.code}]")
