import os
import pickle
from functools import partial

import numpy as np
import pytest

from fedqml.data.plain_pickle import Forbidden, load_plain
from tests.image_sets import python2_pickle


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


VALUE = {b"data": np.arange(6, dtype=np.uint8).reshape(2, 3), b"labels": [1, 2], b"t": b"a" * 300}


@pytest.mark.parametrize("dump", [python2_pickle, partial(pickle.dumps, protocol=3)])
def test_arrays_of_bytes_and_plain_containers(dump):
    read = load_plain(dump(VALUE))
    assert read.keys() == VALUE.keys()
    assert np.array_equal(read[b"data"], VALUE[b"data"])
    assert read[b"data"].dtype == np.uint8
    assert (read[b"labels"], read[b"t"]) == (VALUE[b"labels"], VALUE[b"t"])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value", [Evil(), {b"data": Evil()}, os.system, np.random.Philox, Exception("x"), {1}.__class__]
)
def test_nothing_else_is_called(tmp_path, monkeypatch, protocol, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Forbidden, match="would call"):
        load_plain(pickle.dumps(value, protocol=protocol))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("array", [np.array([{}, []], dtype=object), np.zeros(3), np.array(["a"])])
def test_arrays_of_anything_but_bytes_are_refused(array):
    with pytest.raises(Forbidden, match="an array of type"):
        load_plain(pickle.dumps(array, protocol=3))


@pytest.mark.parametrize("content", [b"", b"\x80\x02", b"no pickle", b"\x80\x02cos\nsystem\n."])
def test_damaged_pickles(content):
    with pytest.raises(Forbidden):
        load_plain(content)


def test_every_cut_is_noticed():
    whole = python2_pickle(VALUE)
    for kept in range(len(whole)):
        with pytest.raises(Forbidden):
            load_plain(whole[:kept])
