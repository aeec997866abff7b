"""Where the data come from: what a source says of itself, checked and set for readers."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fedqml.report.arms import Experiment
from fedqml.report.formats import listing, plural, shorten
from fedqml.report.tables import Table

_PNG = b"\x89PNG\r\n\x1a\n"
_LARGEST = 300_000  # bytes of a sample image
_MOST_SAMPLES = 24
_MOST_FACTS = 60
_MOST_LEFT_OUT = 20
_LONGEST = 400  # characters
_SET_ASIDE = ("title", "url", "licence", "left_out", "samples", "may_show")


@dataclass(frozen=True)
class Sample:
    """An image of the data; ``png`` is base64."""

    caption: str
    png: str


@dataclass(frozen=True)
class Source:
    """What is known of some data.

    Args:
        title: what they are called, and in which arms if not in all.
        link: an address on the web, or empty.
        licence: in words.
        facts: all else that the source says, such as the settings of frozen features.
        left_out: what the source had to leave out, and why.
        samples: images, where the licence allows showing them.
    """

    title: str
    link: str
    licence: str
    facts: Table | None
    left_out: Table | None
    samples: tuple[Sample, ...]


def sources(experiment: Experiment) -> tuple[Source, ...]:
    """Return every different source of an experiment's data that says something of itself."""
    found: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    arms = experiment.arms or experiment.begun
    for arm in arms:
        data = arm.runs[0].data
        if data is not None and data.about:
            key = json.dumps(data.about, sort_keys=True)
            found.setdefault(key, (data.about, []))[1].append(arm.label)
    return tuple(
        _source(about, "" if len(labels) == len(arms) else f" ({listing(labels)})")
        for about, labels in found.values()
    )


def _source(about: Mapping[str, Any], whose: str) -> Source:
    title = _text(about.get("title") or "Data")
    return Source(
        title=title + whose,
        link=_link(about.get("url")),
        licence=_text(about.get("licence") or ""),
        facts=_facts(title, about),
        left_out=_left_out(title, about.get("left_out")),
        # A source that says that its images may not be shown is believed, whatever it holds.
        samples=() if about.get("may_show") is False else _samples(about.get("samples")),
    )


def _facts(title: str, about: Mapping[str, Any]) -> Table | None:
    rest = {key: value for key, value in about.items() if key not in _SET_ASIDE}
    link = about.get("url")
    if link and not _link(link):
        rest["url"] = link  # no address that a page should lead to, but not kept back either
    rows = list(_leaves(rest))
    if not rows:
        return None
    cut = len(rows) - _MOST_FACTS
    return Table(
        caption=f"What the source says of {title}",
        head=("What", "Value"),
        align="ll",
        rows=tuple(rows[:_MOST_FACTS]),
        notes=(f"{plural(cut, 'further fact')} in data.json.",) if cut > 0 else (),
    )


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _leaves(entry, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield shorten(prefix, _LONGEST), _text(value)


def _left_out(title: str, value: Any) -> Table | None:
    rows = list(_reasons(value))
    if not rows:
        return None
    cut = len(rows) - _MOST_LEFT_OUT
    return Table(
        caption=f"Left out of {title} ({len(rows):,})",
        head=("What", "Why"),
        align="cl",
        rows=tuple(rows[:_MOST_LEFT_OUT]),
        notes=(f"{cut:,} more in data.json.",) if cut > 0 else (),
    )


def _reasons(value: Any) -> Iterator[tuple[str, str]]:
    """Read names with reasons: pairs, objects with two texts, or one object of all."""
    if isinstance(value, Mapping):
        yield from ((_text(name), _text(why)) for name, why in value.items())
    elif isinstance(value, list):
        for entry in value:
            parts = list(entry.values()) if isinstance(entry, Mapping) else entry
            pair = parts if isinstance(parts, list) and len(parts) == 2 else [entry, ""]
            yield _text(pair[0]), _text(pair[1])
    elif value:
        yield _text(value), ""


def _samples(value: Any) -> tuple[Sample, ...]:
    found: list[Sample] = []
    for caption, text in _images(value, ""):
        png = _png(text)
        if png and len(found) < _MOST_SAMPLES:
            found.append(Sample(shorten(caption, _LONGEST), png))
    return tuple(found)


def _images(value: Any, caption: str) -> Iterator[tuple[str, str]]:
    """Return captions and images: lists of images or of objects with one, or objects of these."""
    if isinstance(value, str):
        yield caption, value
    elif isinstance(value, list):
        for entry in value:
            yield from _images(entry, caption)
    elif isinstance(value, Mapping):
        texts = {k: v for k, v in value.items() if isinstance(v, str)}
        images = {k: v for k, v in texts.items() if _png(v)}
        words = [_text(v) for k, v in texts.items() if k not in images]
        for key, entry in value.items():
            if key in images:
                name = ", ".join(words) or str(key)
                yield f"{caption}: {name}" if caption else name, images[key]
            elif key not in texts:
                yield from _images(entry, f"{caption}: {key}" if caption else str(key))


def _png(text: str) -> str:
    """Return base64 of a PNG image in its plain form, or nothing if it is none."""
    if len(text) > _LARGEST * 4 // 3 + 4:
        return ""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(content).decode() if content.startswith(_PNG) else ""


def _link(value: Any) -> str:
    if not isinstance(value, str) or any(letter.isspace() for letter in value):
        return ""
    try:
        address = urlsplit(value)
    except ValueError:
        return ""
    # Nothing but the web: a page must not run what a file told it.
    return value if address.scheme in ("http", "https") and address.netloc else ""


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shorten(text, _LONGEST)
