import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from fedqml.core.errors import InputError
from fedqml.data.download import download

CONTENT = np.random.Generator(np.random.Philox(2)).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves ``content``; breaks off after ``breaks`` bytes; knows ranges or not."""

    content, breaks, ranges, status = CONTENT, None, True, None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.seen.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if server.status:
            self.send_error(server.status)
            return
        if asked and server.ranges:
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            end = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        else:
            start = 0
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.address = f"http://127.0.0.1:{server.server_address[1]}/w.pth"
        yield server
        server.shutdown()
        thread.join()


def files(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_the_file_comes_once(server, tmp_path):
    path = tmp_path / "deep" / "w.pth"
    for _ in range(2):
        assert download(server.address, path, SHA256) == path
    assert path.read_bytes() == CONTENT
    assert server.seen == [None]
    assert files(path.parent) == ["w.pth"]


def test_a_broken_connection_is_continued(server, tmp_path):
    path = tmp_path / "w.pth"
    server.breaks = 100_000
    with pytest.raises(InputError, match="broke after 100000 of 300000 bytes"):
        download(server.address, path, SHA256)
    assert files(tmp_path) == ["w.pth.part"]
    server.breaks = None
    download(server.address, path, SHA256)
    assert server.seen == [None, "bytes=100000-"]
    assert path.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    path = tmp_path / "w.pth"
    (tmp_path / "w.pth.part").write_bytes(CONTENT[:77])
    server.ranges = False
    download(server.address, path, SHA256)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"another file", CONTENT + b"too much", b"x" * len(CONTENT)])
def test_what_does_not_fit_is_fetched_anew(server, tmp_path, left):
    path = tmp_path / "w.pth"
    (tmp_path / "w.pth.part").write_bytes(left)
    download(server.address, path, SHA256)
    assert path.read_bytes() == CONTENT
    assert files(tmp_path) == ["w.pth"]


def test_a_whole_part_is_kept(server, tmp_path):
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    download(server.address, tmp_path / "w.pth", SHA256)
    assert (tmp_path / "w.pth").read_bytes() == CONTENT
    assert server.seen == [f"bytes={len(CONTENT)}-"]


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(InputError, match=f"must have the SHA-256 {SHA256}, but what came has"):
        download(server.address, tmp_path / "w.pth", SHA256)
    assert files(tmp_path) == []


def test_a_damaged_file_is_replaced_and_only_by_the_right_one(server, tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"damaged")
    server.status = 503
    with pytest.raises(InputError, match="503"):
        download(server.address, path, SHA256)
    assert path.read_bytes() == b"damaged"
    server.status = None
    download(server.address, path, SHA256)
    assert path.read_bytes() == CONTENT


def test_nobody_answers(server, tmp_path):
    server.server_close()
    with pytest.raises(InputError, match="must be fetched from http://127"):
        download("http://127.0.0.1:1/w.pth", tmp_path / "w.pth", SHA256)


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/w\.pth must be fetched"):
        download(server.address, tmp_path / "file" / "w.pth", SHA256)
    assert server.seen == []
