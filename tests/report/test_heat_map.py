"""Heat maps say the numbers that their colours stand for."""

import numpy as np

from fedqml.report.heat_map import draw_heat_maps

VALUES = np.array([[[0.5, 0.7, 0.9], [0.1, 0.1, 0.1]], [[1.0, 1.0, 1.0], [np.nan] * 3]])


def test_fields_hold_mean_and_spread_and_a_dash_where_nothing_is():
    figure = draw_heat_maps({"ten": VALUES, "twenty": VALUES}, ["a", "b"], ["c", "d"], "accuracy")
    text = figure.svg.decode()
    for field in ("70 ± 20", "10 ± 0", "100 ± 0", ">-<"):
        assert text.count(field) == 2, field
    for name in ("ten", "twenty", "accuracy, %"):
        assert name in text
    assert figure.png.startswith(b"\x89PNG")


def test_equal_values_give_equal_bytes():
    arguments = {"ten": VALUES}, ["a", "b"], ["c", "d"], "accuracy"
    assert draw_heat_maps(*arguments) == draw_heat_maps(*arguments)


def test_one_seed_has_no_spread():
    figure = draw_heat_maps({"ten": VALUES[:, :, :1]}, ["a", "b"], ["c", "d"], "accuracy")
    text = figure.svg.decode()
    assert ">50<" in text
    assert "±" not in text
