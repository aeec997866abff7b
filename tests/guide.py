"""The blocks of docs/three_hospitals.md."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "three_hospitals.md").read_text(encoding="utf-8")
SITES = ("bern", "genf", "ulm")


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield in order what is done ("on", "keep", "carry"), on which machine, and the text."""
    for marks, text in re.findall(r"^```(?:sh|text) (\S.*)\n((?s:.*?))^```", GUIDE, re.MULTILINE):
        if marks == "carry":
            yield "carry", "", text
            continue
        machines, _, keep = marks.removeprefix("on=").partition(" ")
        for machine in machines.split(","):
            yield keep or "on", machine, text


def carried(text: str) -> Iterator[list[str]]:
    """Yield source and target, ``MACHINE:PATH`` each, of what a block "carry" names."""
    for line in text.splitlines():
        yield line.split(" -> ")
