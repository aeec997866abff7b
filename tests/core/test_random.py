import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.random import derive, stream, streams

names = st.text(max_size=5)
indices = st.lists(st.integers(-1, 10**6), max_size=3)


@given(st.integers(0, 2**63), names, indices)
def test_a_stream_depends_on_nothing_but_its_purpose(seed, name, index):
    again = stream(seed, name, *index).random(4)
    stream(seed, name, *index, 0).random(100)  # drawing from another one changes nothing
    assert np.array_equal(stream(seed, name, *index).random(4), again)


@given(st.integers(0, 2**63), names, indices, st.lists(st.integers(0, 9), max_size=4))
def test_streams_in_a_row_are_those_made_alone(seed, name, index, last):
    for k, rng in zip(last, streams(seed, name, *index, last=last), strict=True):
        alone = stream(seed, name, *index, k)
        for draw in ("random", "integers"):  # an odd number of halves of a word
            assert np.array_equal(*(_drawn(each, draw) for each in (rng, alone)))


def _drawn(rng, draw):
    return rng.random(3) if draw == "random" else rng.integers(100, size=3, dtype=np.uint32)


@given(st.tuples(st.integers(0, 99), names, indices), st.tuples(st.integers(0, 99), names, indices))
def test_two_purposes_have_two_streams(a, b):
    same = derive(a[0], a[1], *a[2]) == derive(b[0], b[1], *b[2])
    assert same == (a == b)


def test_streams_use_more_of_the_seed_than_torch_does():
    # torch's CPU generator keeps 32 bits: seeds that differ above them give the same numbers.
    assert stream(1, "x").random() != stream(1 + 2**32, "x").random()


def test_a_known_stream_does_not_change_between_versions():
    assert stream(0, "cohort", 1).integers(1000, size=4).tolist() == [84, 905, 66, 955]
