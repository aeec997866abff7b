"""The report as one HTML page that holds everything it shows: no script, no network."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from fedqml.report.circuits import CircuitDrawing
from fedqml.report.document import Document
from fedqml.report.plotting import Figure
from fedqml.report.record import Damaged
from fedqml.report.svg import embed


def render_page(document: Document) -> str:
    """Return the report as HTML; names from users are escaped.

    Args:
        document: the report.

    Returns:
        The page, which refers to the files beside it but loads none of them.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    package = files("fedqml.report")
    template = environment.from_string((package / "page.html.j2").read_text("utf-8"))
    return template.render(
        document=document,
        style=Markup((package / "page.css").read_text("utf-8")),
        inline_figure=_inline_figure,
        inline_circuit=_inline_circuit,
    )


def _inline_figure(figure: Figure, name: str) -> Markup:
    return Markup(embed(figure.svg, name, figure.label))


def _inline_circuit(drawing: CircuitDrawing, name: str) -> Markup | None:
    """Return the drawing, or None where only its text can be shown."""
    if drawing.svg is None:
        return None
    try:
        return Markup(embed(drawing.svg, name, f"Circuit of {drawing.owner}"))
    except Damaged:
        return None
