import io
import itertools
import math

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Circle, Rectangle
from matplotlib.text import Text

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.picture import picture

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1")
ALL = Circuit(
    4,
    (
        Op("h", (0,)),
        Op("cx", (3, 0)),
        Op("crx", (0, 2), 0.5 * Angle.weight(1) + 1.0),
        Op("swap", (0, 1)),
        Op("rxx", (1, 3), Angle.constant(-math.pi / 4)),
        Op("sxdg", (2,)),
        Op("cz", (1, 2)),
        Op("phase", (0,), -Angle.input(11, map="arctan_square")),
    ),
).measure("X0 Z1 Y3", "Z2", "Z0")


def boxes(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def texts(figure):
    return [text for text in figure.axes[0].findobj(Text) if text.get_text()]


@pytest.mark.parametrize("circuit", [PAPER, ALL, Circuit(1, ())])
@pytest.mark.parametrize("width", [12.0, 6.0, 1.0])
def test_nothing_is_clipped_and_nothing_overlaps(circuit, width):
    figure = picture(circuit, width)
    renderer = FigureCanvasAgg(figure).get_renderer()
    page = figure.bbox
    frames = [box.get_window_extent(renderer) for box in boxes(figure)]
    written = [text.get_window_extent(renderer) for text in texts(figure)]
    for extent in frames + written:
        assert extent.x0 >= 0
        assert extent.y0 >= 0
        assert extent.x1 <= page.x1
        assert extent.y1 <= page.y1
    for one, other in itertools.combinations(frames, 2):
        assert not one.overlaps(other)
    for one, other in itertools.combinations(written, 2):
        assert not one.shrunk(0.9, 0.6).overlaps(other.shrunk(0.9, 0.6))
    for text in written:  # inside a box, or beside all of them
        inside = [frame for frame in frames if frame.overlaps(text)]
        assert all(f.x0 <= text.x0 and text.x1 <= f.x1 for f in inside)
        assert len(inside) <= 1


def test_every_gate_and_meter_is_there():
    figure = picture(PAPER)
    assert len(boxes(figure)) == 4 * 3 + 2 * 4 * 3 + 2
    circles = [patch for patch in figure.axes[0].patches if isinstance(patch, Circle)]
    assert len(circles) == 2 * 8
    shown = [text.get_text() for text in texts(figure)]
    assert shown.count(r"$|0\rangle$") == 4
    assert shown.count("$R_{Y}$") == 4 + 2 * 4
    assert "arctan $x_{0}^2$" in shown
    assert "$w_{23}$" in shown


def test_a_long_circuit_goes_on_below():
    short, long = picture(PAPER, 12.0), picture(PAPER, 6.0)
    assert long.get_figwidth() <= 6.0
    assert long.get_figheight() >= 2 * short.get_figheight()
    assert len(boxes(long)) == len(boxes(short))


def test_it_can_be_saved():
    file = io.BytesIO()
    picture(ALL).savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")


def test_refuses():
    with pytest.raises(InputError, match="Argument `width` must be above 0"):
        picture(PAPER, 0.0)
