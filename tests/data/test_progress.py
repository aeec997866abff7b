import io
import sys

from fedqml.data import progress
from fedqml.data.progress import Progress


class Stream(io.StringIO):
    terminal = False

    def isatty(self):
        return self.terminal


def captured(monkeypatch):
    # Not a fixture: between set-up and call, pytest puts a stream of its own there.
    stream = Stream()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_off_a_terminal_a_line_now_and_then(monkeypatch):
    stream = captured(monkeypatch)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Progress("Work", 1200, "images", done=200) as shown:
        for _ in range(5):
            now[0] += 12.0
            shown.advance(100)
    # 300 of 1,000 in 36 s leave 700, 84 s
    assert stream.getvalue() == "Work: 500 of 1,200 images, 1 min left\n"


def test_a_total_that_nobody_knows(monkeypatch):
    stream = captured(monkeypatch)
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    with Progress("Work", None, "bytes") as shown:
        shown.advance(1500)
    assert stream.getvalue() == "Work: 1,500 bytes\n"


def test_on_a_terminal_a_bar(monkeypatch):
    stream = captured(monkeypatch)
    stream.terminal = True
    with Progress("Work", 10, "images") as shown:
        shown.advance(5)
    assert "Work" in stream.getvalue()
    assert "50%" in stream.getvalue()
