"""A node goes on, whatever its server sends and however often it is killed."""

from types import SimpleNamespace

import httpx
import pytest

pytest.importorskip("flwr", reason="Flower is not installed (pip install fedqml[flower])")

from flwr.app import Message, RecordDict
from flwr.proto.fleet_pb2 import PullMessagesResponse
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.task_identity import TaskIdentity

from fedqml.engines.remote.job import Parcel
from fedqml.federation.flower_node import _Client, _told, _Visit
from fedqml.federation.flower_wire import envelope


@pytest.fixture(autouse=True)
def identity():
    TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1


@pytest.fixture
def site(tmp_path):
    (tmp_path / "state").mkdir()
    return SimpleNamespace(folder=tmp_path)


def visit(site, response=None):
    """Return a node that has connected to a server which sends one job."""
    found = _Visit.__new__(_Visit)
    found._pulled, found._begun = (site.folder / "state" / n for n in ("pulled", "begun"))
    found._client = SimpleNamespace(PullMessages=lambda request: response)
    found._node = None
    return found


def announced(trees=1):
    proto, tree = envelope(Message(RecordDict(), 7, "train"))
    return PullMessagesResponse(messages_list=[proto], message_object_trees=[tree] * trees)


def killed():
    raise SystemExit


def test_a_job_in_which_the_node_ends_twice_is_not_begun_again(site):
    for _ in range(2):
        with pytest.raises(SystemExit):
            visit(site)._attempt(killed)
    assert visit(site)._attempt(killed) is None
    assert visit(site)._attempt(killed) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, httpx.ReadTimeout("slow")])
def test_a_node_that_is_stopped_or_cut_off_did_not_end_by_its_job(site, error):
    def stopped():
        raise error

    for _ in range(3):
        with pytest.raises(type(error) if isinstance(error, Exception) else error):
            visit(site)._attempt(stopped)
    assert visit(site)._attempt(lambda: Parcel(b"reply")) == Parcel(b"reply")
    assert not (site.folder / "state" / "begun").exists()


def test_a_job_without_parts_is_a_lost_connection_and_not_kept(site, monkeypatch):
    monkeypatch.setattr("fedqml.federation.flower_node.PullMessagesRequest", lambda node: None)
    with pytest.raises(httpx.RemoteProtocolError, match="malformed job"):
        visit(site, announced(trees=0))._next()
    assert not (site.folder / "state" / "pulled").exists()
    assert visit(site, announced())._next() is not None
    assert visit(site)._next().message_object_trees[0] != ObjectTree()


def test_an_answer_that_is_none_is_a_lost_connection(monkeypatch):
    client = _Client("https://localhost")
    response = httpx.Response(200, content=b"\xff\xff", request=httpx.Request("POST", "https://x"))
    monkeypatch.setattr(client._client, "send", lambda *given, **named: response)
    with client, pytest.raises(httpx.HTTPError):
        client.PullMessages(PullMessagesResponse())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"code": 7, "detail": "no\\u001b[31m"}', "no [31m [7]"),
        (b"[" * 60_000, "HTTP 403."),
    ],
)
def test_what_a_server_says_cannot_fool_a_terminal(body, told):
    request = httpx.Request("POST", "https://x")
    response = httpx.Response(403, content=body, request=request)
    assert _told(httpx.HTTPStatusError("", request=request, response=response)) == told
