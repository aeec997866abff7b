from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.core.random import shuffled, stream
from fedqml.data.stratified import stratified_split

FRACTIONS = st.integers(1, 99).map(lambda percent: percent / 100)
SEEDS = st.integers(0, 2**32)
quick = settings(deadline=None, max_examples=150)


def split(labels, fraction, seed=0, owners=None):
    return stratified_split(np.array(labels), fraction, stream(seed, "test"), owners)


@quick
@given(st.lists(st.integers(0, 5), min_size=2, max_size=60), FRACTIONS, SEEDS)
def test_every_class_is_in_both_parts_in_its_proportion(labels, fraction, seed):
    sizes = np.bincount(labels)
    if sizes.max() < 2:
        with pytest.raises(InputError, match=r"none of its .* rows can be held out"):
            split(labels, fraction, seed)
        return
    train, test = split(labels, fraction, seed)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert list(train) == sorted(train)
    assert list(test) == sorted(test)
    held_out = np.bincount(np.array(labels)[test], minlength=len(sizes))
    exact = sizes * round(100 * fraction) / 100
    low, high = np.floor(exact), np.ceil(exact)
    assert (held_out >= np.minimum(low, sizes - 1)).all()
    assert (held_out <= np.maximum(high, sizes >= 2)).all()
    assert (held_out[sizes >= 2] >= 1).all()
    assert (held_out < sizes)[sizes > 0].all()
    # Whatever the classes, the total is the nearest one where no bound forbids it.
    if (low >= 1)[sizes > 0].all() and (high < sizes)[sizes > 0].all():
        assert abs(held_out.sum() - len(labels) * fraction) <= 0.5 + 1e-9


@quick
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcd")), min_size=2, max_size=9),
    FRACTIONS,
    SEEDS,
)
def test_every_owner_keeps_a_row_and_as_many_classes_as_possible_are_tested(rows, fraction, seed):
    labels, owners = (list(column) for column in zip(*rows, strict=True))
    most = max(
        _represented(labels, owners, chosen) for chosen in product((False, True), repeat=len(rows))
    )
    if most == 0:
        with pytest.raises(InputError, match="only rows of their owners"):
            split(labels, fraction, seed, owners)
        return
    _, test = split(labels, fraction, seed, owners)
    chosen = [row in set(test.tolist()) for row in range(len(rows))]
    assert _represented(labels, owners, chosen) == most


def _represented(labels, owners, chosen):
    """How many classes a test part has; -1 if an owner or a class has no training row left."""
    train = [i for i, held_out in enumerate(chosen) if not held_out]
    if {owners[i] for i in train} != set(owners) or {labels[i] for i in train} != set(labels):
        return -1
    return len({label for label, held_out in zip(labels, chosen, strict=True) if held_out})


def test_a_class_makes_room_for_another_where_it_can():
    # Classes 0 and 1 both have a row at p, which can give only one; class 0 can use q instead.
    labels, owners = [0, 1, 0, 2, 1], ["p", "p", "q", "q", "r"]
    for seed in range(20):
        _, test = split(labels, 0.2, seed, owners)
        assert test.tolist() == [1, 2]


def test_owners_give_in_proportion_to_their_rows_of_each_class():
    cells = {("big", 0): 100, ("big", 1): 40, ("small", 0): 20, ("small", 1): 60}
    rows = [cell for cell, n in cells.items() for _ in range(n)]
    _, test = split([label for _, label in rows], 0.25, owners=[owner for owner, _ in rows])
    held_out = [rows[i] for i in test]
    assert {cell: held_out.count(cell) for cell in cells} == {c: n // 4 for c, n in cells.items()}


def test_an_owner_does_not_give_for_all_classes_at_once():
    # Six rows each, two of each of three classes: shares of 0.4 of a cell and 1.2 of an owner.
    labels, owners = [0, 1, 2] * 10, list("abcde") * 6
    for seed in range(20):
        _, test = split(labels, 0.2, seed, owners)
        assert sorted(labels[i] for i in test) == [0, 0, 1, 1, 2, 2]
        assert sorted([owners[i] for i in test].count(name) for name in "abcde") == [1, 1, 1, 1, 2]


def test_among_equal_owners_chance_decides_who_gives():
    owners = [f"{i:03}" for i in range(100) for _ in range(2)]
    _, test = split([0, 0] * 50 + [1, 1] * 50, 0.25, owners=owners)
    assert len(test) == 50
    assert len({owners[i] for i in test}) == 50
    assert 5 <= sum(owners[i] < "025" or "050" <= owners[i] < "075" for i in test) <= 45


def test_classes_share_what_their_owners_can_give():
    # Each owner has one row of either class and can give one: half of the test to each class.
    owners = [str(i) for i in range(40) for _ in range(2)]
    _, test = split([0, 1] * 40, 0.8, owners=owners)
    assert np.bincount(test % 2).tolist() == [20, 20]


def test_a_tie_goes_to_the_larger_class():
    # 0.2 * 212 = 42.4 and 0.2 * 357 = 71.4, 114 in all.
    train, test = split([0] * 212 + [1] * 357, 0.2)
    assert (len(train), int((test < 212).sum()), int((test >= 212).sum())) == (455, 42, 72)


def test_different_seeds_hold_out_different_rows():
    labels = [0, 1] * 50
    parts = {tuple(split(labels, 0.3, seed)[1].tolist()) for seed in range(20)}
    assert len(parts) == 20


def test_every_row_has_the_same_chance():
    counts = np.zeros(20)
    for seed in range(2000):
        counts[split([0] * 10 + [1] * 10, 0.3, seed)[1]] += 1
    # Binomial with n = 2000, p = 0.3: sd 20.5.
    assert np.abs(counts - 600).max() < 5 * 20.5


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_the_fraction_lies_between_0_and_1(fraction):
    with pytest.raises(InputError, match="`test_fraction` must lie between 0 and 1, but"):
        split([0, 0, 1, 1], fraction)


def test_the_split_is_the_same_for_good():
    # Not derived from anything: it must never change, or published results could not be rerun.
    _, test = split([0, 1, 2] * 10, 0.2, owners=list("abcde") * 6)
    assert test.tolist() == GOLDEN
    assert shuffled(8, stream(7, "test")).tolist() == GOLDEN_ORDER


GOLDEN = [0, 8, 12, 16, 17, 19]
GOLDEN_ORDER = [7, 3, 2, 6, 1, 4, 5, 0]


@quick
@given(st.integers(0, 50), SEEDS)
def test_shuffled_is_a_permutation(n, seed):
    assert sorted(shuffled(n, stream(seed, "test")).tolist()) == list(range(n))
