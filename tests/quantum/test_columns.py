from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum.columns import pack

from .strategies import some

items = st.lists(st.sets(st.integers(0, 4), min_size=1).map(sorted), max_size=20)


@some
@given(items)
def test_every_item_once_no_overlap_order_kept_and_nothing_can_move_left(wires):
    columns = pack(wires, 5)
    place = {item: c for c, column in enumerate(columns) for item in column}
    assert sorted(place) == list(range(len(wires)))
    for item, occupied in enumerate(wires):
        before = [
            place[other] for other in range(item) if set(wires[other]) & set(occupied)
        ]  # those that must come first
        assert place[item] == 1 + max(before, default=-1)
