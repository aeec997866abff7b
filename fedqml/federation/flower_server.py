"""The server's side of a federation on Flower 1.41: it sends and fetches messages by itself.

Flower's SuperLink stores and hands out messages; all else of a run happens here. To it this
process is the server app of a run whose bundle holds no code. If the SuperLink dies, another run is
begun when it is back.
"""

import hashlib
import io
import time
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

import httpx
from filelock import FileLock
from flwr.app import Message
from flwr.common.constant import SUPERLINK_NODE_ID, SubStatus
from flwr.common.serde import message_from_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ObjectTree,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    GetNodesRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushAppMessagesRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.constant import TaskType
from flwr.supercore.inflatable.inflatable_object import no_object_id_recompute
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity

from fedqml.core.errors import InputError
from fedqml.engines.remote.job import Host, Parcel
from fedqml.engines.remote.transport import Answer
from fedqml.federation.flower_wire import (
    Heartbeat,
    chunked,
    direct,
    envelope,
    fetch,
    inflated,
    parcel,
    push,
    records,
)
from fedqml.federation.folders import Server
from fedqml.federation.superlink import control

_POLL = 0.1  # seconds between looks for answers
_BEAT = 10.0  # seconds between heartbeats
_BACK = 1.0  # seconds before the SuperLink is tried again
_PATIENCE = 60.0  # seconds for the SuperLink to answer at all
_STALLED = 60.0  # seconds without another part of an answer; a node gives up on one after 30
_FAB = {
    "pyproject.toml": """[project]
name = "rounds"
version = "1"

[tool.flwr.app]
publisher = "fedqml"

[tool.flwr.app.components]
serverapp = "nothing:here"
clientapp = "nothing:here"
"""
}


class FlowerTransport:
    """The way to the nodes over Flower; see ``Transport``.

    Args:
        server: the folder of the server on this machine.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._run: _Run | None = None
        self._ids: dict[str, int] = {}

    def nodes(self) -> Collection[str]:
        """Return the nodes that are connected now.

        Raises:
            InputError: if the SuperLink does not answer.
        """
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                found = self._connected().nodes()
                break
            except httpx.HTTPError as error:
                self.close(failed=True)
                if time.monotonic() > end:
                    raise InputError(
                        f"The SuperLink at {self._server.loopback} does not answer as it should: "
                        f"{error}. Is `fedqml server` running on this machine?"
                    ) from error
                time.sleep(_BACK)
        self._ids = dict(found)
        return self._ids.keys()

    def hosts(self) -> Mapping[str, Collection[Host]]:
        """Return whom each node may train for, as the server's folder says."""
        return self._server.hosts

    def exchange(
        self, parcels: Mapping[str, Parcel], limits: Mapping[str, int], seconds: float
    ) -> Iterator[Answer]:
        """Send parcels and yield the answers; see ``Transport``."""
        end = time.monotonic() + seconds
        waiting: dict[str, str] = {}
        try:
            run = self._connected()
            waiting = run.push({node: (self._ids[node], p) for node, p in parcels.items()}, seconds)
            while waiting and time.monotonic() < end:
                asked = {message: limits[node] for message, node in waiting.items()}
                for message, found, reason in run.pull(asked):
                    yield Answer(waiting.pop(message), found, reason)
                    del found  # it may be large, and the next is on its way
                if waiting:
                    time.sleep(_POLL)
        except httpx.HTTPError as error:
            self.close(failed=True)
            for node in waiting.values() or parcels:
                yield Answer(node, None, f"The SuperLink was lost: {error}")

    def close(self, failed: bool) -> None:
        """End the Flower run, if there is one.

        Args:
            failed: whether the work was cut short.
        """
        if self._run is not None:
            self._run.close(SubStatus.STOPPED if failed else SubStatus.COMPLETED)
            self._run = None

    def _connected(self) -> "_Run":
        if self._run is None:
            self._run = _begin(self._server)
        return self._run


class _Run:
    """A run of Flower's, of which this process is the server app."""

    def __init__(self, client: RuntimeHttpClient) -> None:
        self._client = client
        given = client.PullTaskInput(PullTaskInputRequest())
        self._number: int = given.run.run_id
        self._node = Node(node_id=SUPERLINK_NODE_ID)
        # Answers that were announced, by the message they are to, and what has come of each.
        self._coming: dict[str, tuple[MessageProto, ObjectTree, dict[str, bytes]]] = {}
        # How many parts of these were there, and since when.
        self._moved: dict[str, tuple[int, float]] = {}
        # Flower's messages take their sender from here.
        TaskIdentity.task_id = given.task_id
        TaskIdentity.run_id = self._number
        TaskIdentity.node_id = SUPERLINK_NODE_ID
        beat = SendTaskHeartbeatRequest()
        self._heartbeat = Heartbeat(lambda: client.SendTaskHeartbeat(beat), _BEAT)

    def nodes(self) -> list[tuple[str, int]]:
        """Return name and number of each node that is connected."""
        return [(n.name, n.node_id) for n in self._client.GetNodes(GetNodesRequest()).nodes]

    def push(self, parcels: Mapping[str, tuple[int, Parcel]], seconds: float) -> dict[str, str]:
        """Send parcels to nodes, by name with number; return the names by message."""
        chunks = {id(p.body): chunked(p.body) for _, p in parcels.values()}
        with no_object_id_recompute():
            messages = [
                Message(records(p, chunks[id(p.body)]), node, "train", ttl=seconds + _PATIENCE)
                for node, p in parcels.values()
            ]
            pairs = [envelope(message) for message in messages]
            request = PushAppMessagesRequest(
                messages_list=[proto for proto, _ in pairs],
                message_object_trees=[tree for _, tree in pairs],
            )
            answer = self._client.PushMessages(request)
            wanted = set(answer.objects_to_push)

            def send(name: str, content: bytes) -> None:
                self._client.PushObject(
                    PushObjectRequest(
                        node=self._node,
                        run_id=self._number,
                        object_id=name,
                        object_content=content,
                        session_id=answer.session_id,
                    )
                )

            for message in messages:
                push(message, wanted, send)
        return dict(zip(answer.message_ids, parcels, strict=True))

    def pull(self, asked: Mapping[str, int]) -> Iterator[tuple[str, Parcel | None, str]]:
        """Yield the answers that are there: to which message, with what, or why with nothing.

        One whose sender is still uploading is left for the next time, with what is there of it.

        Args:
            asked: the bytes that the answer to each message may have.
        """
        answer = self._client.PullMessages(PullAppMessagesRequest(message_ids=list(asked)))
        for proto, tree in zip(answer.messages_list, answer.message_object_trees, strict=True):
            self._coming[proto.metadata.reply_to_message_id] = proto, tree, {}
        self._coming = {to: coming for to, coming in self._coming.items() if to in asked}
        self._moved = {to: moved for to, moved in self._moved.items() if to in asked}
        for to, (proto, tree, contents) in list(self._coming.items()):
            announced = message_from_proto(proto)
            if announced.has_error():
                del self._coming[to]
                yield to, None, f"Flower says: {announced.error.reason}"
                continue
            try:
                if not fetch(tree, asked[to], self._object, contents):
                    if self._moves(to, len(contents)):
                        continue
                    # its sender may have died: who asks again need not wait for it
                    raise InputError(f"It sent nothing more of its answer for {_STALLED:g} s.")
                found: Parcel | None = parcel(
                    inflated(proto.metadata.message_id, contents), asked[to]
                )
                contents.clear()  # the answer has a copy
                reason = ""
            except InputError as error:
                found, reason = None, str(error)
            del self._coming[to]
            self._moved.pop(to, None)
            self._client.ConfirmMessageReceived(
                ConfirmMessageReceivedRequest(
                    node=self._node,
                    run_id=self._number,
                    message_object_id=proto.metadata.message_id,
                )
            )
            yield to, found, reason
            del found

    def _moves(self, to: str, parts: int) -> bool:
        """Return whether an answer has more parts than before, or not had so for a short time."""
        before, since = self._moved.get(to, (-1, 0.0))
        if parts > before:
            self._moved[to] = parts, time.monotonic()
            return True
        return time.monotonic() - since < _STALLED

    def close(self, status: str) -> None:
        """End the run, if the SuperLink can still be told."""
        self._heartbeat.stop()
        with suppress(httpx.HTTPError):
            self._client.PushTaskOutput(PushTaskOutputRequest(sub_status=status, details=""))
        self._client.close()

    def _object(self, name: str) -> bytes | None:
        request = PullObjectRequest(node=self._node, run_id=self._number, object_id=name)
        response = self._client.PullObject(request)
        if not response.object_found:
            raise InputError("A part of the message is missing.")
        content: bytes = response.object_content
        return content if response.object_available else None


def _begin(server: Server) -> _Run:
    """Begin a run of Flower's and take its server app's place."""
    server.state.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(server.state / "begin.lock"),
        control(server) as client,
        _runtime(server, _secret(server)) as runtime,
    ):
        fab = _fab()
        number = client.StartRun(
            StartRunRequest(fab=Fab(hash_str=hashlib.sha256(fab).hexdigest(), content=fab))
        ).run_id
        while True:
            acquired = runtime.AcquireTask(
                AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
            )
            mine = _runtime(server, RuntimeTokenHttpInterceptor(token=acquired.token))
            if acquired.task.run_id == number:
                return _Run(mine)
            # of a process that died between the two steps
            _Run(mine).close(SubStatus.FAILED)


def _secret(server: Server) -> SuperExecAuthHttpInterceptor:
    file = server.folder / "superexec.secret"
    try:
        secret = file.read_bytes()
    except OSError as error:
        raise InputError(f"The secret {file} cannot be read: {error}") from error
    methods = ["/flwr.proto.Runtime/AcquireTask"]
    return SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=methods)


def _runtime(
    server: Server, proof: RuntimeTokenHttpInterceptor | SuperExecAuthHttpInterceptor
) -> RuntimeHttpClient:
    """Return a client that proves with each request that it may do what it asks."""
    version = RuntimeVersionHttpInterceptor(component_name="fedqml")
    url = f"https://{server.loopback}"
    return direct(RuntimeHttpClient(url, interceptors=[version, proof], verify=server.tls()))


def _fab() -> bytes:
    """Return a bundle that names the app, and holds no code."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for name, text in _FAB.items():
            bundle.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()
