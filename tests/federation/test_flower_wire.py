"""Parcels as messages of Flower, and what pretends to be one."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import numpy as np
import pytest

pytest.importorskip("flwr", reason="Flower is not installed (pip install fedqml[flower])")

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.message_pb2 import PullObjectResponse
from flwr.proto.runtime_pb2 import PullAppMessagesResponse, PullTaskInputResponse
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient

from fedqml.core.errors import InputError
from fedqml.engines.remote.job import Parcel
from fedqml.federation import flower_server, flower_wire
from fedqml.federation.flower_server import _Run
from fedqml.federation.flower_wire import (
    chunked,
    direct,
    envelope,
    parcel,
    pull,
    push,
    records,
)


@pytest.fixture(autouse=True)
def identity():
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1


def sent(content):
    """Return what the other side gets of a message: its name, its tree, and its objects."""
    message = Message(content, 7, "train")
    _, tree = envelope(message)
    objects = {}
    wanted = set(get_all_nested_objects(message))
    push(message, wanted, objects.__setitem__)
    assert not wanted
    return message.metadata.message_id, tree, objects


def received(content, limit):
    name, tree, objects = sent(content)
    return parcel(pull(name, tree, limit, objects.__getitem__), limit)


@pytest.mark.parametrize("size", [0, 1, 10, 11, 95])
def test_a_parcel_arrives_as_it_was_sent(monkeypatch, size):
    monkeypatch.setattr(flower_wire, "CHUNK", 10)
    given = Parcel(b'{"a": 1}', bytes(range(size)))
    assert received(records(given, chunked(given.body)), 1000) == given


def test_equal_chunks_are_sent_once(monkeypatch):
    monkeypatch.setattr(flower_wire, "CHUNK", 10)
    _, _, objects = sent(records(Parcel(b"{}"), chunked(bytes(1000))))
    assert len(objects) == 4  # message, its content, the head, the chunk


def test_a_chunk_that_is_named_many_times_does_not_grow_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(flower_wire, "CHUNK", 10)
    with pytest.raises(InputError, match="more than 500 bytes"):
        received(records(Parcel(b"{}"), chunked(bytes(1000))), 500)


def test_what_is_too_large_is_not_fetched_to_its_end():
    name, tree, objects = sent(records(Parcel(b"{}"), chunked(bytes(100_000))))
    with pytest.raises(InputError, match="more than 5000 bytes"):
        pull(name, tree, 5000, objects.__getitem__)


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        RecordDict({"0": ConfigRecord({"": b"no head"})}),
        RecordDict({"head": ConfigRecord({"other": b"{}"})}),
        RecordDict({"head": ConfigRecord({"": "text"})}),
        RecordDict({"head": ConfigRecord({"": [b"a", b"b"]})}),
    ],
)
def test_other_messages_are_refused(content):
    with pytest.raises(InputError, match="holds no parcel"):
        received(content, 1000)


def test_flower_s_arrays_are_not_read():
    content = RecordDict({"head": ArrayRecord([np.zeros(3)])})
    with pytest.raises(InputError, match="it holds \\['Array', 'ArrayChunk', 'ArrayRecord'\\]"):
        received(content, 1000)


def test_objects_that_are_no_objects():
    name, tree, _ = sent(records(Parcel(b"{}"), {}))
    with pytest.raises(InputError, match="malformed"):
        pull(name, tree, 1000, lambda part: b"junk")


class SuperLink(RuntimeHttpClient):
    """One that has answers, some of whose objects never come."""

    def __init__(self, *answers):
        super().__init__("http://127.0.0.1:1")
        self.late, self.objects, self.announced = set(), {}, []
        for number, answer in enumerate(answers):
            asked = Message(RecordDict(), 7, "train")
            asked.metadata.__dict__["_message_id"] = f"asked-{number}"
            message = Message(records(answer, chunked(answer.body)), reply_to=asked)
            self.announced.append(envelope(message))
            push(message, set(get_all_nested_objects(message)), self.objects.__setitem__)

    def PullTaskInput(self, request):
        return PullTaskInputResponse()

    def PullMessages(self, request):
        announced, self.announced = self.announced, []  # once, as Flower does
        return PullAppMessagesResponse(
            messages_list=[proto for proto, _ in announced],
            message_object_trees=[tree for _, tree in announced],
        )

    def PullObject(self, request):
        there = request.object_id not in self.late
        content = self.objects[request.object_id] if there else b""
        return PullObjectResponse(object_found=True, object_available=there, object_content=content)

    def ConfirmMessageReceived(self, request):
        return None


def test_an_answer_that_does_not_come_holds_up_no_other():
    slow, quick = Parcel(b'{"a": 1}', b"slow"), Parcel(b'{"a": 2}', b"quick")
    link = SuperLink(slow, quick)
    link.late = {name for name, content in link.objects.items() if b"slow" in content}
    assert link.late
    run = _Run(link)
    asked = {"asked-0": 1000, "asked-1": 1000}
    assert list(run.pull(asked)) == [("asked-1", quick, "")]
    del asked["asked-1"]
    assert list(run.pull(asked)) == []
    link.late = set()
    assert list(run.pull(asked)) == [("asked-0", slow, "")]


def test_an_answer_whose_sender_died_is_given_up(monkeypatch):
    """Killed between announcing an answer and sending it: the SuperLink waits for the rest."""
    link = SuperLink(Parcel(b'{"a": 1}', b"slow"))
    link.late = {name for name, content in link.objects.items() if b"slow" in content}
    run, asked = _Run(link), {"asked-0": 1000}
    assert list(run.pull(asked)) == []
    assert list(run.pull(asked)) == []
    monkeypatch.setattr(flower_server, "_STALLED", 0.0)
    ((message, found, reason),) = run.pull(asked)
    assert (message, found) == ("asked-0", None)
    assert "nothing more of its answer" in reason
    assert list(run.pull(asked)) == []


def test_no_redirect_is_followed():
    seen = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = direct(FleetHttpClient(f"http://127.0.0.1:{server.server_port}"))
        with client, pytest.raises(httpx.HTTPError):
            client.ActivateNode(ActivateNodeRequest(public_key=b"key"))
        server.shutdown()
    assert len(seen) == 1
