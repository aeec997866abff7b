import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.data.class_names import class_names, encode


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        (["1.5", "1e-3", "2"], ("1e-3", "1.5", "2")),
        (["10", "9", "x"], ("10", "9", "x")),
        (["2", "1", "inf"], ("1", "2", "inf")),
        (["ä", "z", "A"], ("A", "z", "ä")),
    ],
)
def test_order(labels, names):
    assert class_names(labels) == names


@pytest.mark.parametrize("labels", [["1", "1.0"], ["0", "-0", "5"], ["3", "1", "03"]])
def test_a_number_is_written_in_one_way(labels):
    with pytest.raises(InputError, match="two spellings of the same one"):
        class_names(labels)


@given(st.lists(st.sampled_from(["a", "b", "7", "10", "x y"]), min_size=1))
def test_indices_name_their_labels(labels):
    y, names = encode(labels)
    assert [names[index] for index in y] == labels
    assert set(names) == set(labels)
