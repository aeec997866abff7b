import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import Angle
from fedqml.quantum.angle import Term
from fedqml.quantum.exchange.fit import fit

from ..strategies import some

TABLE = (
    np.random.default_rng(0).uniform(-1, 1, (600, 6))
    * np.where(np.arange(600) % 4 == 3, 10, 1)[:, None]
)
X0, X1, W0, W1 = TABLE.T[:4]


def found(values, support=(0, 1, 2, 3), n_inputs=2):
    return fit(lambda n: values[:n], lambda n: TABLE[:n], list(support), n_inputs)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (0 * X0, "0"),
        (0 * X0 + 0.7, "0.7"),
        (X0, "x0"),
        (W1, "w1"),
        (-X1 / 3 + math.pi / 2, "-0.3333·x1+π/2"),
        (2 * W0 - W1, "2·w0-w1"),
        (np.arctan(X0), "atan x0"),
        (0.5 * np.arctan(W1**2) - X0, "-x0+0.5·atan w1²"),
        (X0 * W1, "x0·w1"),
        (X0**2, "x0·x0"),
        ((math.pi - X0) * (math.pi - X1), "-π·x0-π·x1+x0·x1+9.87"),
        (X0 * X1 * W0 + 1, "x0·x1·w0+1"),
        (X0 * X1 * W0 * W1, "x0·x1·w0·w1"),
    ],
)
def test_it_finds_the_angle(values, text):
    assert str(found(values)) == text


def test_simple_coefficients_are_exact():
    angle = found(X0 / 3 + math.pi * W0 + 0.1 * X1 - 1 / 7)
    assert {term.scale for term in angle.terms} == {1 / 3, math.pi, 0.1}
    assert angle.offset == -1 / 7


def test_other_coefficients_are_good_to_the_last_digits():
    scale = 0.12345678901234
    (term,) = found(scale * np.arctan(X0)).terms
    assert term.scale == pytest.approx(scale, abs=1e-14)


@pytest.mark.parametrize(
    "values",
    [
        np.sin(X0),
        X0 + 1e-9 * np.cos(W0),
        X0 % 6,
        np.clip(X0, -3, 3),
        np.abs(X1),
        np.exp(X0),
        np.sqrt(X0.astype(complex)).real,
        np.full(len(X0), np.nan),
        np.where(X0 > 3, 0.0, X0),
        np.random.default_rng(5).normal(size=len(X0)),
    ],
)
def test_it_does_not_take_another_function_for_one_it_knows(values):
    assert found(values, support=[0, 1, 2]) is None


def test_what_depends_on_nothing_known_is_no_angle():
    assert found(X0, support=[]) is None


def test_too_many_unknowns_are_refused():
    assert found(np.sin(X0), support=[0, 1, 2, 3] * 20) is None


_coefficients = st.floats(-2, 2).map(lambda value: round(value, 3)).filter(bool)


@some
@given(
    st.dictionaries(st.sampled_from(["identity", "arctan", "arctan_square"]), _coefficients),
    _coefficients,
)
def test_sums_of_several_functions_of_one_number(scales, offset):
    expected = Angle(tuple(Term((0,), (), name, s) for name, s in scales.items()), offset)
    functions = {
        "identity": X0,
        "arctan": np.arctan(X0),
        "arctan_square": np.arctan(X0**2),
    }
    values = offset + sum((s * functions[name] for name, s in scales.items()), 0 * X0)
    angle = found(values, support=[0])
    assert set(angle.terms) == set(expected.terms)
    assert angle.offset == offset
