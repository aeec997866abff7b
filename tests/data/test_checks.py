"""What the type checks of the tests would stop on its way to ``Data``, but users can do."""

import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.data import checks
from fedqml.data.checks import as_classes, as_features, as_labels, as_owners, as_test

Y = torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (as_features, np.eye(3), "`a` must be a torch tensor, but its type is ndarray; torch.as_"),
        (as_features, [[1.0]], "`a` must be a torch tensor, but its type is list"),
        (as_labels, [0, 1], "`a` must be a torch tensor, but its type is list"),
        (as_labels, None, "`a` must be a torch tensor, but its type is NoneType"),
        (as_labels, Y + 0j, "integer type, but it holds torch.complex64"),
    ],
)
def test_no_tensor(check, value, message):
    with pytest.raises(InputError, match=message):
        check("a", value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("abc", "must be a tuple of names, but it is 'abc'"),
        (None, "must be a tuple of names, but it is None"),
        ((0, 1, 2), "must hold distinct texts"),
        ((["a"], ["b"], ["c"]), "must hold distinct texts"),
    ],
)
def test_no_class_names(names, message):
    with pytest.raises(InputError, match=message):
        as_classes(names, Y, Y)


@pytest.mark.parametrize("owners", ["abc", (1, 2, 3), np.array(["a", "b", "c"])])
def test_no_owners(owners):
    with pytest.raises(InputError, match=r"`owners` must be a tuple of names"):
        as_owners(owners, 3)


@pytest.mark.parametrize("test", [None, torch.zeros(2, 2), (Y,), (Y, Y, Y)])
def test_no_pair(test):
    with pytest.raises(InputError, match=r"`test` must be a pair \(x, y\)"):
        as_test(test, torch.zeros(3, 2))


def test_lists_become_tuples():
    assert as_classes(["a", "b", "c"], Y, Y) == ("a", "b", "c")
    assert as_owners(["u", "u", "v"], 3) == ("u", "u", "v")


@pytest.mark.parametrize("together", [1, 7, 1 << 24])
def test_the_first_value_that_is_not_finite_is_found_in_any_part(monkeypatch, together):
    monkeypatch.setattr(checks, "_VALUES", together)
    x = torch.zeros(9, 2, 3)
    x[5, 1, 2] = x[5, 1, 1] = x[8, 0, 0] = torch.nan
    with pytest.raises(InputError, match=r"3 of its 54 values .* row 5, column \(1, 1\)"):
        as_features("a", x)
    as_features("a", torch.zeros(9, 2, 3))
