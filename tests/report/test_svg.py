import pytest

from fedqml.report.record import Damaged
from fedqml.report.svg import embed

XLINK = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def inline(content: str) -> str:
    return embed(f"<svg {XLINK}>{content}</svg>".encode(), "fig", "a label")


def test_ids_and_all_that_refers_to_them_are_renamed() -> None:
    result = inline(
        '<defs><path id="p"/><clipPath id="c"/></defs><use xlink:href="#p"/><use href="#p"/>'
        '<g clip-path="url(#c)" style="fill: url( \'#p\' ); stroke: red"/>'
    )
    assert 'id="fig-p"' in result
    assert 'id="fig-c"' in result
    assert result.count('href="#fig-p"') == 2
    assert 'clip-path="url(#fig-c)"' in result
    assert 'style="fill: url(#fig-p); stroke: red"' in result


def test_two_drawings_share_no_id() -> None:
    drawing = f'<svg id="top" {XLINK}><g id="a"/></svg>'.encode()
    first, second = embed(drawing, "one", ""), embed(drawing, "two", "")
    assert 'id="one"' in first
    assert 'id="one-a"' in first
    assert "one" not in second


def test_no_namespaces_are_left_for_html() -> None:
    result = inline("<g/>")
    assert "xmlns" not in result
    assert "ns0" not in result


@pytest.mark.parametrize(
    "active",
    [
        "<script>alert(1)</script>",
        '<g onload="alert(1)"/>',
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">hidden</p></foreignObject>',
        '<image href="http://example.org/a.png"/>',
        '<use href="http://example.org/a.svg#a"/>',
        '<a xlink:href="javascript:alert(1)"><text>x</text></a>',
        '<set attributeName="href" to="javascript:alert(1)"/>',
        '<g style="fill: url(http://example.org/a)"/>',
        '<g fill="URL(//example.org/a)"/>',
        "<style>@import url(http://example.org/a.css);</style>",
        "<style>* { fill: url(//example.org/a) }</style>",
        "<metadata>http://example.org</metadata>",
    ],
)
def test_nothing_active_and_nothing_from_outside(active: str) -> None:
    result = inline(active)
    for trace in ("alert", "example.org", "hidden", "javascript", "onload"):
        assert trace not in result


def test_a_style_sheet_stays_inside() -> None:
    assert "<style>#fig { * { stroke-linejoin: round } }</style>" in inline(
        "<style>* { stroke-linejoin: round }</style>"
    )


def test_text_is_escaped_again() -> None:
    result = embed(f"<svg {XLINK}><text>a &lt; b</text></svg>".encode(), "fig", '"<x>"')
    assert "a &lt; b" in result
    assert 'aria-label="&quot;&lt;x&gt;&quot;"' in result


@pytest.mark.parametrize(
    "content", [b"", b"<svg", b"\x89PNG", b"<html/>", b'<?xml version="1.0" encoding="x"?><svg/>']
)
def test_what_is_no_drawing_is_refused(content: bytes) -> None:
    with pytest.raises(Damaged, match="not an SVG drawing"):
        embed(content, "fig", "")
