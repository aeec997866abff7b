"""Putting an SVG drawing inside a page: nothing active, nothing from outside, no clash of names."""

import re
import xml.etree.ElementTree as ElementTree

from fedqml.report.record import Damaged

# An id or style of one drawing would reach into every other one on the page, and circuit.svg is
# a file that anybody may have edited: what is not known to be a harmless shape is left out.
_SHAPES = frozenset(
    {
        *("svg", "g", "defs", "symbol", "use", "style", "title", "desc", "text", "tspan"),
        *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "marker"),
        *("clipPath", "mask", "pattern", "linearGradient", "radialGradient", "stop"),
    }
)
_REFERENCE = re.compile(r"url\(\s*[\"']?#([^\"')\s]+)[\"']?\s*\)")
_URL = re.compile(r"url\s*\(", re.IGNORECASE)
_IMPORT = re.compile(r"@import[^;]*;?", re.IGNORECASE)


def embed(drawing: bytes, name: str, label: str) -> str:
    """Return an SVG drawing as an element for an HTML page.

    Args:
        drawing: the SVG file.
        name: what all of its ids begin with, unique on the page; letters, digits and hyphens.
        label: what a screen reader says in its place.

    Returns:
        The ``<svg>`` element, without namespaces, scripts, handlers and outside references.

    Raises:
        Damaged: if the file is not an SVG drawing.

    Example:
        >>> shape = b'<svg xmlns="http://www.w3.org/2000/svg"><path id="a" onclick="f()"/></svg>'
        >>> embed(shape, "fig", "A line")
        '<svg role="img" aria-label="A line" id="fig"><path id="fig-a" /></svg>'
    """
    try:
        root = ElementTree.fromstring(drawing)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Damaged(f"not an SVG drawing: {error}.") from error
    if _local(root.tag) != "svg":
        raise Damaged(f"not an SVG drawing, but <{_local(root.tag)}>.")
    clean = _clean(root, name)
    clean.attrib = {"role": "img", "aria-label": label, **clean.attrib, "id": name}
    return ElementTree.tostring(clean, encoding="unicode")


def _clean(element: ElementTree.Element, name: str) -> ElementTree.Element:
    tag = _local(element.tag)
    copy = ElementTree.Element(tag)
    for qualified, value in element.attrib.items():
        attribute = _local(qualified)
        if attribute == "id":
            copy.set("id", f"{name}-{value}")
        elif attribute == "href":
            if value.startswith("#"):
                copy.set("href", f"#{name}-{value[1:]}")
        elif not attribute.startswith("on"):
            copy.set(attribute, _references(value, name))
    copy.text, copy.tail = element.text, element.tail
    if tag == "style":
        # A style sheet rules the whole page unless it is nested in the drawing's own id.
        rules = _references(_IMPORT.sub("", element.text or ""), name)
        copy.text = f"#{name} {{ {rules} }}"
        return copy
    for child in element:
        if isinstance(child.tag, str) and _local(child.tag) in _SHAPES:
            copy.append(_clean(child, name))
    return copy


def _references(value: str, name: str) -> str:
    """Return a value with its references renamed; one that points outside becomes ``none``."""
    renamed = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    outside = len(_URL.findall(renamed)) != len(_REFERENCE.findall(renamed))
    return "none" if outside else renamed


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
