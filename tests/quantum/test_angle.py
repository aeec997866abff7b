import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.quantum import Angle
from fedqml.quantum.angle import Term, evaluate

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


@some
@given(angles(), angles(), st.floats(-3, 3))
def test_sums_and_multiples_are_those_of_the_values(one, other, factor):
    x, w = numbers(1, 3), numbers(2, 5)
    values = [dense.angle_value(angle, x, w) for angle in (one, other)]
    found = dense.angle_value(factor * one + other - one - 0.5, x, w)
    torch.testing.assert_close(found, factor * values[0] + values[1] - values[0] - 0.5)


def test_like_terms_are_joined():
    assert Angle.weight(0) + Angle.input(1) + Angle.weight(0) == 2 * Angle.weight(0) + Angle.input(
        1
    )


@some
@given(st.lists(angles(), min_size=1, max_size=5), st.booleans(), st.integers(0, 99))
def test_evaluate_is_the_sum_of_scaled_terms(several, read_inputs, seed):
    several = [angle for angle in several if bool(angle.inputs) == read_inputs]
    assume(several)
    x, w = numbers(seed, 2, 4, 3), numbers(seed + 1, 5)
    found = evaluate(several, x, w)
    assert found.shape == ((2, 4) if read_inputs else ()) + (len(several),)
    for k, angle in enumerate(several):
        expected = torch.stack([dense.angle_value(angle, row, w) for row in x.flatten(0, 1)])
        torch.testing.assert_close(found[..., k].expand(2, 4).flatten(), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_evaluate_keeps_the_precision(dtype):
    several = [Angle.input(0) + Angle.weight(0), 2 * Angle.input(1) + 0.3]
    assert (
        evaluate(several, numbers(1, 7, 2, dtype=dtype), numbers(2, 1, dtype=dtype)).dtype == dtype
    )


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
        (0.5 * Angle.weight(3) + math.pi, "0.5·w3+π"),
        (-2 * Angle.weight(3) - 0.1, "-2·w3-0.1"),
        (Angle.input(0) - Angle.weight(1), "x0-w1"),
        (Angle((Term((0, 2), (1,), "product", -1.0),)), "-x0·x2·w1"),
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
    ("build", "words"),
    [
        (lambda: Angle.weight(-1), "`weights` must be at least 0, but weights=(-1,)"),
        (lambda: Angle.input(0, map="arctn"), "Did you mean 'arctan'?"),
        (lambda: Angle.input(0, 1), "the number of inputs and weights=2"),
        (lambda: Angle.input(0, map="product"), "be 2 to any number for the map 'product'"),
        (lambda: math.nan * Angle.weight(0), "`scale` must be finite"),
        (lambda: Angle.constant(math.inf), "`offset` must be finite"),
    ],
)
def test_refuses(build, words):
    with pytest.raises(InputError) as error:
        build()
    assert words in str(error.value)


def test_shift_moves_only_its_own_kind():
    assert Angle.weight(1).shift(inputs=5, weights=2) == Angle.weight(3)
    assert Angle.input(1, map="arctan").shift(inputs=5, weights=2) == Angle.input(6, map="arctan")
    assert Angle.constant(0.5).shift(inputs=5, weights=2) == Angle.constant(0.5)
    with pytest.raises(InputError, match=r"weights=\(-1,\)"):
        Angle.weight(0).shift(inputs=0, weights=-1)
