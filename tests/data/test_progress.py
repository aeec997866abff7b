import io

from fedqml.data import progress
from fedqml.data.progress import Progress


class Stream(io.TextIOWrapper):
    def __init__(self, terminal):
        super().__init__(io.BytesIO(), encoding="utf-8", newline="")
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def shown(self):
        self.flush()
        return self.buffer.getvalue().decode()


def test_off_a_terminal_a_line_now_and_then(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = Stream(terminal=False)
    with Progress("Work", 1200, stream, "images", done=200) as shown:
        for _ in range(5):
            now[0] += 12.0
            shown.advance(100)
    # 300 of 1,000 in 36 s leave 700, 84 s
    assert stream.shown() == "Work: 500 of 1,200 images, 1 min left\n"


def test_a_total_that_nobody_knows(monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    stream = Stream(terminal=False)
    with Progress("Work", None, stream, "bytes") as shown:
        shown.advance(1500)
    assert stream.shown() == "Work: 1,500 bytes\n"


def test_on_a_terminal_a_bar():
    stream = Stream(terminal=True)
    with Progress("Work", 10, stream, "images") as shown:
        shown.advance(5)
    assert "Work" in stream.shown()
    assert "50%" in stream.shown()
