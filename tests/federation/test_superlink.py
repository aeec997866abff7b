import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flwr.proto.control_pb2 import ListNodesRequest
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE

from fedqml.core.errors import InputError
from fedqml.federation import superlink
from fedqml.federation.folders import add, read_server, read_site
from fedqml.federation.status import status
from tests.federation.real import make, needs_nginx


@needs_nginx
@pytest.mark.parametrize("door", ["port", "loopback_port"])
def test_a_port_in_use_is_an_error_before_anything_starts(tmp_path, door):
    server = make(tmp_path / "fed", "bern")
    with socket.socket() as other:
        other.bind(("127.0.0.1", getattr(server, door)))
        other.listen()
        with pytest.raises(InputError, match=rf"port {getattr(server, door)} of 127\.0\.0\.1 can"):
            superlink.check(server)
    superlink.check(server)
    assert not server.state.exists()


def test_without_nginx(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(superlink, "_SBIN", ())
    with pytest.raises(InputError, match=r"nginx is not installed: apt-get install nginx-light"):
        superlink.check(make(tmp_path / "fed", "bern"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ca.crt", r"There is no certificate .*/ca\.crt"),
        ("server.crt", r"There is no certificate .*/server\.crt"),
        ("server.key", r"The key .*/server\.key cannot be read: No such file"),
        ("loopback.key", r"The key .*/loopback\.key cannot be read: No such file"),
        ("superexec.secret", "`folder` must hold the file superexec.secret"),
    ],
)
def test_a_file_that_is_missing_is_named_before_anything_starts(tmp_path, name, message):
    server = make(tmp_path / "fed", "bern")
    (server.folder / name).unlink()
    with pytest.raises(InputError, match=message):
        superlink.check(server)


def nodes(server):
    with superlink.control(server) as client:
        return {n.name: n.node_id for n in client.ListNodes(ListNodesRequest()).nodes_info}


def knock(site):
    private = load_pem_private_key(site.key, password=None)
    headers = {
        "flwr-public-key": b64encode(public_key_to_bytes(private.public_key())).decode(),
        "content-type": PROTOBUF_MEDIA_TYPE,
    }
    with httpx.Client(verify=site.tls()) as client:
        url = f"https://{site.server}/v1/fleet/pull-messages"
        return client.post(url, headers=headers).status_code


@pytest.mark.federation
@needs_nginx
def test_a_server_starts_again_where_it_stopped_and_takes_new_sites(tmp_path):
    server = make(tmp_path / "fed", "bern", "ulm")
    assert status(server).nodes is None
    with superlink.running(server):
        before = nodes(server)
        assert before.keys() == {"bern", "ulm"}
        with superlink.control(server) as client:
            assert superlink.register(client, server.nodes) == []
    add(tmp_path / "fed", "wien", days=30)
    (server.folder / "nodes" / "ulm.pub").unlink()
    with superlink.running(server):
        after = nodes(server)
        assert after.items() > before.items()  # Flower forgets no key, but ulm is outside the door
        assert after.keys() == {"bern", "ulm", "wien"}
        found = status(server)
        assert [(n.site, n.status) for n in found.nodes] == [
            ("bern", "registered"),
            ("ulm", "registered"),
            ("wien", "registered"),
        ]
        assert list(found.runs) == []
        # a key without a signature: the door lets a site's pass, and Flower refuses it
        for name, answer in (("bern", 401), ("ulm", 403), ("wien", 401)):
            assert knock(read_site(tmp_path / "fed" / "sites" / name)) == answer


@pytest.mark.federation
@needs_nginx
@pytest.mark.parametrize("name", ["SuperLink", "nginx"])
def test_if_one_of_the_two_dies_the_other_is_stopped_and_the_log_is_named(tmp_path, name):
    server = make(tmp_path / "fed", "bern")
    started = []

    def lose_one():
        with superlink.running(server) as processes:
            started.extend(processes.values())
            processes[name].kill()
            superlink.watch(server, processes)

    log = rf"{name} has stopped \(SIGKILL\).*/{name.lower()}\.log"
    with pytest.raises(InputError, match=log):
        lose_one()
    assert [process.poll() is not None for process in started] == [True, True]
    wait_until_free(server)


def start(server):
    command = [sys.executable, "-m", "fedqml.cli.main", "server", str(server.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(f"Open to sites: 127.0.0.1, port {server.port} (bern).")
    return process


def wait_until_free(server, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            superlink.check(server)
            return
        except InputError:
            time.sleep(0.1)
    superlink.check(server)


@pytest.mark.federation
@needs_nginx
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 130), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_the_command_leaves_nothing_behind(tmp_path, number, code):
    server = make(tmp_path / "fed", "bern")
    process = start(server)
    try:
        os.kill(process.pid, number)
        assert process.wait(60) == code
    finally:
        process.stdout.close()
    wait_until_free(server)
    assert not (server.state / "nginx.pid").exists()


@pytest.mark.federation
@needs_nginx
def test_nothing_of_flowers_lands_in_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    server = make(tmp_path / "fed", "bern")
    with superlink.running(read_server(server.folder)):
        assert (server.state / "flower.db").exists()
    assert list((tmp_path / "home").iterdir()) == []
    assert {path.name for path in Path(tmp_path).iterdir()} == {"home", "fed"}
