"""A node on Flower 1.41: it fetches jobs and brings back replies, for ever.

It asks the SuperLink for messages and takes nothing but their bytes: the bundle that comes with
Flower's runs is never fetched, so nobody can have it run code.
"""

import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key
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
from fedqml.federation.flower_wire import (
    Heartbeat,
    chunked,
    content,
    envelope,
    parcel,
    pull,
    push,
    records,
)
from fedqml.federation.worker import Work, refusal

_POLL = 0.15  # seconds between looks for jobs
_BEAT = 4.0  # seconds between heartbeats
_INTERVAL = 10.0  # seconds: what the SuperLink is told; two without a sign, and it gives a node up
_LONGEST_PAUSE = 10.0  # seconds between attempts to connect

Log = Callable[[str], None]
"""Takes a sentence for the node's owner."""


@dataclass(frozen=True)
class Post:
    """Where the server is, and what proves who this node is.

    Attributes:
        address: host and port.
        ca: certificate of the authority that signed the server's.
        key: the node's private key, on the curve P-384.
        certificate: the node's certificate and its key, if the server's proxy asks for one.
        folder: where the node keeps what must outlast its process.
        limit: bytes of the largest job that is taken.
    """

    address: str
    ca: Path
    key: Path
    certificate: tuple[Path, Path] | None
    folder: Path
    limit: int


def serve(post: Post, work: Work, log: Log, going: Callable[[], bool] = lambda: True) -> None:
    """Answer jobs, and connect anew whenever the connection is lost.

    Args:
        post: where the server is.
        work: what answers a job.
        log: takes a sentence on whatever the owner should know.
        going: whether to go on; for ever if left out.

    Raises:
        InputError: if a certificate or the key cannot be used.
    """
    trusted, key = _trusted(post), _key(post.key)
    post.folder.mkdir(parents=True, exist_ok=True)
    pause = 0.0
    while going():
        auth = NodeAuthHttpInterceptor(key, key.public_key())
        version = RuntimeVersionHttpInterceptor(component_name="fedqml node")
        url = f"https://{post.address}"
        with FleetHttpClient(url, interceptors=[version, auth], verify=trusted) as client:
            try:
                visit = _Visit(client, post, key, log)
                log(f"Connected to {post.address}; waiting for jobs.")
                pause = 0.0
                visit.stay(work, going)
            except httpx.HTTPError as error:
                pause = min(max(1.0, 2 * pause), _LONGEST_PAUSE)
                log(f"{_reason(error, post)} Trying again in {pause:g} s.")
                time.sleep(pause)


class _Visit:
    """A node at its server, from connecting to the first error."""

    def __init__(
        self, client: FleetHttpClient, post: Post, key: ec.EllipticCurvePrivateKey, log: Log
    ) -> None:
        self._client, self._post, self._log = client, post, log
        self._number = post.folder / "node-id"
        self._pulled = post.folder / "pulled"  # a job that has not been answered
        self._node = Node(node_id=self._arrive(public_key_to_bytes(key.public_key())))

    def stay(self, work: Work, going: Callable[[], bool]) -> None:
        """Answer jobs until the connection is lost."""
        heartbeat = Heartbeat(lambda: self._beat(self._node.node_id), _BEAT)
        try:
            while going():
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
            with suppress(httpx.HTTPError):
                self._client.DeactivateNode(DeactivateNodeRequest(node_id=self._node.node_id))
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
        write_atomic(self._pulled, response.SerializeToString())
        return response

    def _answer(self, response: PullMessagesResponse, work: Work) -> None:
        announced = message_from_proto(response.messages_list[0])
        run, name = announced.metadata.run_id, announced.metadata.message_id

        def get(part: str) -> bytes:
            request = PullObjectRequest(node=self._node, run_id=run, object_id=part)
            return content(lambda: self._client.PullObject(request))

        tree = response.message_object_trees[0]
        try:
            job = parcel(pull(name, tree, self._post.limit, get), self._post.limit)
        except InputError as error:
            reply = refusal(str(error))
        else:
            reply = work(job)
        with no_object_id_recompute():
            message = Message(records(reply, chunked(reply.body)), reply_to=announced)
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


def _trusted(post: Post) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(post.ca))
        if post.certificate is not None:
            context.load_cert_chain(*map(str, post.certificate))
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(map(str, (post.ca, *(post.certificate or ()))))
        raise InputError(f"The certificates {files} cannot be used: {error}") from error
    return context


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        content = path.read_bytes()
        ssh = content.startswith(b"-----BEGIN OPENSSH")
        found = (load_ssh_private_key if ssh else load_pem_private_key)(content, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(f"The node's key {path} cannot be used: {error}") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise InputError(f"The node's key {path} must be one on an elliptic curve (P-384).")
    return found


def _reason(error: httpx.HTTPError, post: Post) -> str:
    """Return a sentence on why there is no connection."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"The server at {post.address} refuses this node: {_told(error)}"
    return f"The server at {post.address} cannot be reached: {error}."


def _told(error: httpx.HTTPStatusError) -> str:
    """Return what the SuperLink says, or the proxy before it."""
    said = FlowerError.from_json(error.response.text)
    return f"{said.message} [{said.code}]" if said else f"HTTP {error.response.status_code}."
