import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.quantum import MAPS, Angle
from fedqml.quantum.angle import evaluate

from . import dense
from .strategies import angles, numbers, some


@some
@given(angles())
def test_minus_negates_the_value_and_twice_is_the_same(angle):
    x, w = numbers(1, 3), numbers(2, 5)
    torch.testing.assert_close(
        dense.angle_value(-angle, x, w), -dense.angle_value(angle, x, w), rtol=0, atol=1e-15
    )
    negative = -angle
    assert -negative == angle


@some
@given(angles())
def test_plain_data_brings_the_angle_back(angle):
    assert Angle.from_dict(angle.to_dict()) == angle


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_evaluate_is_scale_times_map_plus_offset(name, dtype):
    values = numbers(3, 7, 4, dtype=dtype)
    found = evaluate(
        [Angle("input", 2, name, -1.5, 0.25), Angle("input", 0, name, 2.0, -1.0)], values
    )
    function = dense.FUNCTIONS[name]
    expected = torch.stack(
        [-1.5 * function(values[:, 2]) + 0.25, 2 * function(values[:, 0]) - 1], -1
    )
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("angle", "text"),
    [
        (Angle.constant(math.pi), "π"),
        (Angle.constant(-math.pi / 2), "-π/2"),
        (Angle.constant(3 * math.pi / 4), "3π/4"),
        (Angle.constant(0.0), "0"),
        (Angle.constant(0.12345678), "0.1235"),
        (Angle.input(0), "x0"),
        (Angle.input(1, map="arctan"), "atan x1"),
        (-Angle.input(1, map="arctan_square"), "-atan x1²"),
        (Angle("weight", 3, scale=0.5, offset=math.pi), "0.5·w3+π"),
        (Angle("weight", 3, scale=-2.0, offset=-0.1), "-2·w3-0.1"),
    ],
)
def test_text(angle, text):
    assert str(angle) == text


@some
@given(st.floats(-50, 50))
def test_text_of_a_constant_is_never_far_off(value):
    text = str(Angle.constant(value))
    number = eval(text.replace("π", "*math.pi").replace("-*", "-").lstrip("*"), {"math": math})
    assert math.isclose(number, value, rel_tol=5e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": "weight", "index": -1}, "`index` must be at least 0, but index=-1"),
        ({"source": "input", "map": "arctn"}, "Did you mean 'arctan'?"),
        ({"source": "weight", "scale": math.nan}, "`scale` must be finite"),
        ({"source": None, "offset": math.inf}, "`offset` must be finite"),
        ({"source": None, "index": 1}, "`source` must be given"),
        ({"source": None, "scale": 2.0}, "`source` must be given"),
    ],
)
def test_refuses(arguments, words):
    with pytest.raises(InputError) as error:
        Angle(**arguments)
    assert words in str(error.value)


def test_shift_moves_only_its_own_kind():
    assert Angle.weight(1).shift(inputs=5, weights=2) == Angle.weight(3)
    assert Angle.input(1, map="arctan").shift(inputs=5, weights=2) == Angle.input(6, map="arctan")
    assert Angle.constant(0.5).shift(inputs=5, weights=2) == Angle.constant(0.5)
    with pytest.raises(InputError, match="index=-1"):
        Angle.weight(0).shift(inputs=0, weights=-1)
