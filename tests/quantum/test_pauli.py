import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.quantum import Pauli
from fedqml.quantum.pauli import measurement_settings

from .strategies import paulis, some


@some
@given(paulis(12))
def test_parse_reads_what_str_writes(word):
    assert Pauli.parse(str(word)) == word


@some
@given(paulis(6), st.randoms(use_true_random=False))
def test_order_in_the_text_does_not_matter(word, random):
    parts = str(word).split()
    random.shuffle(parts)
    assert Pauli.parse("  ".join(parts)) == word


@pytest.mark.parametrize("text", ["", "Z", "z0", "W0", "Z0Z1", "Z0 Z0", "Z-1", "Z0,Z1", "0Z", "Z٣"])
def test_parse_refuses(text):
    with pytest.raises(InputError, match="Argument `observable` must be a Pauli word such as"):
        Pauli.parse(text)


@pytest.mark.parametrize(
    ("wires", "letters", "name"),
    [
        ((), "", "wires"),
        ((1, 0), "XY", "wires"),
        ((1, 1), "XY", "wires"),
        ((-1,), "X", "wires"),
        ((0, 1), "X", "letters"),
        ((0,), "I", "letters"),
    ],
)
def test_refuses(wires, letters, name):
    with pytest.raises(InputError, match=f"Argument `{name}` must"):
        Pauli(wires, letters)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["Z0"], 1),
        (["Z0", "Z1", "Z0 Z1"], 1),
        (["Z0", "X1", "Z0 X1"], 1),
        (["X0", "Y0", "Z0"], 3),
        (["X0 X1", "Y0 Y1", "Z0 Z1"], 3),  # they commute, but not qubit by qubit
    ],
)
def test_measurement_settings(words, count):
    assert len(measurement_settings([Pauli.parse(word) for word in words])) == count


@some
@given(st.lists(paulis(4), max_size=12), st.sampled_from([None, 1, 3]))
def test_measurement_settings_hold_every_word_once_beside_words_that_fit(words, most):
    groups = measurement_settings(words, most)
    assert sorted(place for group in groups for place in group) == list(range(len(words)))
    for group in groups:
        assert most is None or len(group) <= most
        letters = {}
        for place in group:
            for wire, letter in zip(words[place].wires, words[place].letters, strict=True):
                assert letters.setdefault(wire, letter) == letter
