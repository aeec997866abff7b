"""What reaches the server from outside, with a real nginx before a real SuperLink."""

import http.client
import json
import socket
import ssl
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_TOLERANCE
from flwr.proto.control_pb2 import ListNodesRequest
from flwr.proto.fleet_pb2 import ActivateNodeRequest, ActivateNodeResponse, PullMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE as PROTOBUF

from fedqml.federation import authority, superlink
from fedqml.federation.authority import Credential, client_certificate, node_key, tls
from fedqml.federation.folders import read_site
from fedqml.federation.proxy import CALLS
from fedqml.federation.status import status
from tests.federation.real import make, needs_nginx

pytestmark = [pytest.mark.federation, needs_nginx]

PLAIN = {"content-type": PROTOBUF, "accept": PROTOBUF}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = make(tmp_path_factory.mktemp("door") / "fed", "bern", "ulm")
    with superlink.running(server):
        yield server


@pytest.fixture(scope="module")
def sites(server):
    return {name: read_site(server.folder.parent / "sites" / name) for name in ("bern", "ulm")}


@pytest.fixture(scope="module")
def ids(server, sites):
    """The id that Flower gave to each site's node."""
    for name in sites:
        answer = knock(server, sites[name].tls(), "activate-node", sites[name].key)
        assert answer.status_code == 200, answer.text
    with superlink.control(server) as client:
        nodes = client.ListNodes(ListNodesRequest()).nodes_info
    return {node.name: node.node_id for node in nodes}


def public(private):
    return public_key_to_bytes(load_pem_private_key(private, password=None).public_key())


def signed(private, claimed=None, at=None):
    """Return the headers with which a node that holds ``private`` says that it is ``claimed``."""
    timestamp = (at or datetime.now(UTC)).isoformat()
    signature = sign_message(load_pem_private_key(private, password=None), timestamp.encode())
    return {
        **PLAIN,
        "flwr-public-key": b64encode(claimed or public(private)).decode(),
        "flwr-timestamp": timestamp,
        "flwr-signature": b64encode(signature).decode(),
    }


def activation(private):
    request = ActivateNodeRequest(public_key=public(private), heartbeat_interval=30)
    return request.SerializeToString()


def pull(node_id):
    return PullMessagesRequest(node=Node(node_id=node_id)).SerializeToString()


def post(server, context, path, headers, body):
    with httpx.Client(verify=context) as client:
        url = f"https://127.0.0.1:{server.port}{path}"
        return client.post(url, headers=headers, content=body)


def loopback(server, context, path, headers, body):
    with httpx.Client(verify=context) as client:
        return client.post(f"https://{server.loopback}{path}", headers=headers, content=body)


def knock(server, context, call, private):
    return post(server, context, f"/v1/fleet/{call}", signed(private), activation(private))


def raw(server, context, path, method="POST", headers=None, body=b""):
    """Send a path as it stands, which a polite client would tidy up; return the status."""
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for key, value in (headers or {}).items():
            connection.putheader(key, value)
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_site_is_let_in(server, sites, ids):
    headers = signed(sites["bern"].key)
    answer = post(
        server, sites["bern"].tls(), "/v1/fleet/pull-messages", headers, pull(ids["bern"])
    )
    assert answer.status_code == 200
    assert ids.keys() == {"bern", "ulm"}


def test_of_all_of_flowers_paths_only_ours_are_open(server, sites):
    with httpx.Client(verify=server.tls()) as client:
        listed = client.get(f"https://{server.loopback}/openapi.json").json()["paths"]
    ours = {f"/v1/fleet/{call}" for call in CALLS}
    assert ours < listed.keys()
    assert len(listed) > 70  # so that this test notices if Flower no longer lists them
    context, headers = sites["bern"].tls(), signed(sites["bern"].key)
    for path in listed.keys() - ours:
        assert raw(server, context, path, headers=headers) == 403, path
    for path in ours:
        assert raw(server, context, path, method="GET", headers=headers) == 403, path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/v1/fleet/",
        "/v1/fleet/pull-messages/",
        "/v1/fleet/../control/list-nodes",
        "/v1/fleet/pull-messages/../../control/list-nodes",
        "/v1/fleet/%2e%2e/control/list-nodes",
        "/v1/fleet/..%2fcontrol/list-nodes",
        "/v1/fleet/pull-messages%2f..%2f..%2fcontrol%2flist-nodes",
        "//v1/control/list-nodes",
        "/v1/control/list-nodes?/v1/fleet/pull-messages",
        "/v1/control/list-nodes%00/v1/fleet/pull-messages",
        "/V1/FLEET/pull-messages",
        "https://elsewhere/v1/control/list-nodes",
    ],
)
def test_no_spelling_of_a_path_leads_past_the_fleet(server, sites, path):
    assert raw(server, sites["bern"].tls(), path, headers=signed(sites["bern"].key)) in (400, 403)


def test_a_path_that_nginx_reads_as_ours_arrives_as_it_read_it(server, sites, ids):
    path = "/v1/control/..%2ffleet/pull-messages"
    headers = signed(sites["bern"].key)
    assert raw(server, sites["bern"].tls(), path, headers=headers, body=pull(ids["bern"])) == 200


def untrusted(folder, pair, server):
    """Return a client that trusts the server and shows a certificate of one's own making."""
    (folder / "own.crt").write_bytes(pair.certificate)
    (folder / "own.key").write_bytes(pair.key)
    context = ssl.create_default_context(cafile=str(server.folder / "ca.crt"))
    context.load_cert_chain(folder / "own.crt", folder / "own.key")
    return context


def test_without_a_certificate(server, sites):
    context = ssl.create_default_context(cafile=str(server.folder / "ca.crt"))
    answer = knock(server, context, "activate-node", sites["bern"].key)
    assert answer.status_code == 400
    assert "No required SSL certificate was sent" in answer.text


def test_with_a_certificate_of_another_authority(server, sites, tmp_path):
    pair = client_certificate(authority.authority(), "bern", 30)
    context = untrusted(tmp_path, pair, server)
    answer = knock(server, context, "activate-node", sites["bern"].key)
    assert answer.status_code == 400
    assert "The SSL certificate error" in answer.text


def test_with_an_expired_certificate(server, sites, tmp_path, monkeypatch):
    class Earlier(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) - timedelta(days=60)

    folder = server.folder.parent / "authority"
    issuer = Credential(*((folder / name).read_bytes() for name in ("ca.crt", "ca.key")))
    with monkeypatch.context() as patch:
        patch.setattr(authority, "datetime", Earlier)
        pair = client_certificate(issuer, "bern", 30)
    context = untrusted(tmp_path, pair, server)
    answer = knock(server, context, "activate-node", sites["bern"].key)
    assert answer.status_code == 400
    assert "The SSL certificate error" in answer.text


@pytest.mark.parametrize("name", ["server", "loopback"])
def test_with_a_certificate_for_another_use(server, sites, tmp_path, name):
    own = Credential(*((server.folder / f"{name}.{end}").read_bytes() for end in ("crt", "key")))
    answer = knock(server, untrusted(tmp_path, own, server), "activate-node", sites["bern"].key)
    assert answer.status_code == 400


def test_with_a_certificate_of_a_site_that_is_not_let_in(server, sites, tmp_path):
    folder = server.folder.parent / "authority"
    issuer = Credential(*((folder / name).read_bytes() for name in ("ca.crt", "ca.key")))
    context = untrusted(tmp_path, client_certificate(issuer, "wien", 30), server)
    assert knock(server, context, "activate-node", sites["bern"].key).status_code == 403


def test_without_a_node_key(server, sites, ids):
    headers = {"content-type": PROTOBUF}
    answer = post(
        server, sites["bern"].tls(), "/v1/fleet/pull-messages", headers, pull(ids["bern"])
    )
    assert answer.status_code == 403


def test_with_a_node_key_that_is_not_registered(server, sites):
    assert knock(server, sites["bern"].tls(), "activate-node", node_key()[0]).status_code == 403


def test_a_site_cannot_use_the_node_key_of_another(server, sites, ids):
    """Flower alone would take it: it knows the key, and no certificate of clients."""
    path, body = "/v1/fleet/pull-messages", pull(ids["ulm"])
    for send, context, answered in (
        (post, sites["bern"].tls(), 403),
        (loopback, server.tls(), 200),
    ):
        headers = signed(sites["ulm"].key)
        assert send(server, context, path, headers, body).status_code == answered


def test_a_site_cannot_name_the_key_of_another_without_holding_it(server, sites, ids):
    ulm, bern = sites["ulm"], sites["bern"]
    for claimed, answered in ((public(bern.key), 403), (public(ulm.key), 401)):
        headers = signed(node_key()[0], claimed)
        answer = post(server, ulm.tls(), "/v1/fleet/pull-messages", headers, pull(ids["ulm"]))
        assert answer.status_code == answered


def test_a_site_cannot_name_the_node_of_another(server, sites, ids):
    headers = signed(sites["ulm"].key)
    answer = post(server, sites["ulm"].tls(), "/v1/fleet/pull-messages", headers, pull(ids["bern"]))
    assert answer.status_code == 401


def test_of_two_keys_in_one_request_the_one_that_was_looked_up_counts(server, sites, ids):
    """What nginx looked up must be what Flower reads: bern's key second changes nothing."""
    bern, ulm = sites["bern"], sites["ulm"]
    second = ("flwr-public-key", b64encode(public(bern.key)).decode())
    for headers in (
        [*signed(ulm.key).items(), second],
        [second, *signed(ulm.key).items()],
    ):
        answer = post(server, ulm.tls(), "/v1/fleet/pull-messages", headers, pull(ids["bern"]))
        assert answer.status_code in (401, 403)


def test_a_request_is_good_for_five_minutes_and_may_be_repeated_meanwhile(server, sites, ids):
    """Flower signs the time and nothing else: TLS alone keeps a request from being captured."""
    bern, path, body = sites["bern"], "/v1/fleet/pull-messages", pull(ids["bern"])
    headers = signed(bern.key)
    for _ in range(2):
        assert post(server, bern.tls(), path, headers, body).status_code == 200
    # the signature says nothing about the body or the call either
    beat = SendNodeHeartbeatRequest(node=Node(node_id=ids["bern"]), heartbeat_interval=30)
    other = "/v1/fleet/send-node-heartbeat"
    answer = post(server, bern.tls(), other, headers, beat.SerializeToString())
    assert answer.status_code == 200
    # but whoever captured it needs bern's certificate too
    assert post(server, sites["ulm"].tls(), path, headers, body).status_code == 403
    assert (SYSTEM_TIME_TOLERANCE, TIMESTAMP_TOLERANCE) == (5, 300)  # seconds ahead, and behind
    for seconds, answered in ((-290, 200), (-310, 401), (20, 401)):
        late = signed(bern.key, at=datetime.now(UTC) + timedelta(seconds=seconds))
        assert post(server, bern.tls(), path, late, body).status_code == answered


def test_a_request_that_is_too_large(server, sites):
    bern = sites["bern"]
    path, headers, body = "/v1/fleet/push-object", signed(bern.key), bytes(6 * 2**20 + 1)
    assert post(server, bern.tls(), path, headers, body).status_code == 413
    pieces = (body[start : start + 2**20] for start in range(0, len(body), 2**20))
    assert post(server, bern.tls(), path, headers, pieces).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", b"{}"],
    ids=["noise", "a length beyond the end", "JSON"],
)
def test_what_is_no_message_is_refused_and_the_server_goes_on(server, sites, ids, body):
    bern = sites["bern"]
    for call in CALLS:
        answer = post(server, bern.tls(), f"/v1/fleet/{call}", signed(bern.key), body)
        assert 400 <= answer.status_code < 500, call
    answer = post(
        server, bern.tls(), "/v1/fleet/pull-messages", signed(bern.key), pull(ids["bern"])
    )
    assert answer.status_code == 200


def test_old_tls_is_refused(server, sites):
    context = sites["bern"].tls()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", server.port)) as connection,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(connection, server_hostname="127.0.0.1")


def test_a_site_knows_a_false_server(server, sites, tmp_path):
    pair = authority.authority()
    (tmp_path / "ca.crt").write_bytes(pair.certificate)
    bern = sites["bern"].folder
    context = tls(tmp_path / "ca.crt", bern / "client.crt", bern / "client.key")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        knock(server, context, "activate-node", sites["bern"].key)


def test_other_users_of_the_servers_machine_reach_nothing_on_loopback(server, sites, tmp_path):
    """They can connect, but TLS ends before the first request without the folder's key."""
    own = ssl.create_default_context(cafile=str(server.folder / "loopback.crt"))
    folder = sites["bern"].folder
    site = tls(server.folder / "loopback.crt", folder / "client.crt", folder / "client.key")
    made = untrusted(tmp_path, authority.loopback_certificate(), server)
    made.load_verify_locations(server.folder / "loopback.crt")
    for context in (own, site, made):
        for path in ("/v1/control/list-nodes", "/health", "/v1/fleet/activate-node"):
            with pytest.raises(httpx.TransportError):
                loopback(server, context, path, PLAIN, b"")
    assert loopback(server, server.tls(), "/v1/control/list-nodes", PLAIN, b"").status_code == 200


def test_a_runs_task_is_only_for_who_has_the_secret(server):
    body = AcquireTaskRequest().SerializeToString()
    answer = loopback(server, server.tls(), "/v1/runtime/acquire-task", PLAIN, body)
    assert answer.status_code in (401, 403)


def listening(pids):
    """Return the addresses, as the kernel writes them, on which processes wait for clients."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            name = str(link.readlink()) if link.is_symlink() else ""
            if name.startswith("socket:["):
                sockets.add(name[8:-1])
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in sockets and fields[3] in ("0A", "07"):
                found.add((table, fields[1]))
    return found


def children(pid):
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def test_nothing_else_is_open(tmp_path):
    server = make(tmp_path / "fed", "bern")
    with superlink.running(server) as processes:
        parents = [process.pid for process in processes.values()]
        pids = parents + [child for parent in parents for child in children(parent)]
        expected = {("tcp", f"0100007F:{p:04X}") for p in (server.port, server.loopback_port)}
        assert listening(pids) == expected
    assert not listening([pid for pid in pids if Path(f"/proc/{pid}/fd").exists()])


def test_who_was_refused_is_written_down(server, sites):
    path = "/v1/fleet/register-node"
    post(server, sites["bern"].tls(), f"{path}?once", signed(sites["bern"].key), b"")
    line = f'"CN=bern" "POST {path}?once HTTP/1.1" 403'
    end = time.monotonic() + 10  # nginx answers first and writes then
    while line not in (log := (server.state / "refused.log").read_text()):
        assert time.monotonic() < end, log
        time.sleep(0.05)


def test_the_status_says_who_is_online_since_when(server, sites, ids):
    beat = SendNodeHeartbeatRequest(node=Node(node_id=ids["bern"]), heartbeat_interval=30)
    headers = signed(sites["bern"].key)
    path = "/v1/fleet/send-node-heartbeat"
    post(server, sites["bern"].tls(), path, headers, beat.SerializeToString())
    nodes = {node.site: node for node in status(server).nodes}
    assert nodes["bern"].status == "online"
    assert datetime.now(UTC) - nodes["bern"].since < timedelta(minutes=10)


def test_the_state_is_closed_to_other_users(server):
    assert server.state.stat().st_mode & 0o077 == 0


def test_answers_say_nothing_about_the_servers_inside(server, sites):
    answer = knock(server, sites["bern"].tls(), "register-node", sites["bern"].key)
    assert answer.headers["server"] == "nginx"
    assert ActivateNodeResponse.DESCRIPTOR.full_name not in json.dumps(dict(answer.headers))
