import xml.etree.ElementTree as ElementTree
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fedqml.report.fidelity_figure import draw_fidelities
from fedqml.report.plotting import Figure
from fedqml.report.slopes_figure import draw_slopes
from fedqml.report.variance_figure import VarianceCurve, draw_variances

SVG = "{http://www.w3.org/2000/svg}"


def texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(figure.svg)
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def fidelities() -> Figure:
    return draw_fidelities(np.array([0.6, 0.3, 0.1, 0.0]), np.array([0.7, 0.2, 0.08, 0.02]), 500)


def slopes() -> Figure:
    return draw_slopes(np.array([[0.5, 0.0, 0.2], [0.1, 0.0, 0.3]]), ["Z0", "Z0 Z1"], [1])


def variances() -> Figure:
    values = np.array([[0.5, 0.4], [0.1, 0.2]])
    return draw_variances([VarianceCurve("deep", [2, 4], values)])


@pytest.mark.parametrize("draw", [fidelities, slopes, variances])
def test_equal_numbers_give_equal_bytes_and_no_raw_mathematics(draw) -> None:
    figure, again = draw(), draw()
    assert figure == again
    assert Image.open(BytesIO(figure.png)).size[0] == 1600
    assert not any("$" in text for text in texts(figure))


def test_fidelities() -> None:
    words = texts(fidelities())
    assert {"this circuit", "states drawn evenly (Haar)", "fidelity of two states"} <= set(words)
    assert "500 pairs" in fidelities().caption


def test_slopes_mark_the_dead() -> None:
    words = texts(slopes())
    assert {"slope of ⟨Z0⟩", "slope of ⟨Z0 Z1⟩", "no influence (1 of 3 weights)"} <= set(words)
    assert "Without influence: w1." in slopes().label
    alive = draw_slopes(np.array([[0.5]]), ["Z0"], [])
    assert not any("no influence" in text for text in texts(alive))
    assert draw_slopes(np.zeros((1, 2)), ["Z0"], [0, 1]).svg


def test_slopes_of_many_weights_have_fewer_numbers() -> None:
    figure = draw_slopes(np.ones((1, 300)), ["Z0"], [])
    assert sum(text.isdigit() for text in texts(figure)) <= 60


def test_variances() -> None:
    words = texts(variances())
    assert {"deep", "2", "4", "qubits"} <= set(words)
