import pickle
import zipfile

import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.data.sources import npz

X = np.arange(80.0).reshape(20, 4)
Y = np.arange(20) % 2


@pytest.fixture
def load(tmp_path):
    def load(settings=None, **arrays):
        np.savez(tmp_path / "own.npz", **arrays)
        return npz(tmp_path / "own.npz", **(settings or {}))

    return load


def test_rows_stay_with_their_labels_and_owners(load):
    data = load(x=X, y=Y, owner=np.arange(20) // 5)
    assert torch.equal(data.x[:, 0] / 4 % 2, data.y.float())
    assert data.owners == tuple(str(int(v) // 20) for v in data.x[:, 0])
    assert sorted(torch.cat([data.x, data.test[0]])[:, 0].tolist()) == X[:, 0].tolist()
    assert torch.equal(torch.cat([data.x, data.test[0]])[:, 0].sort().values[:1], data.x.new([0]))


def test_own_test_data_are_taken_as_they_are(load):
    data = load(x=X, y=Y, x_test=X[:3] + 0.5, y_test=Y[:3], owner=["a", "b"] * 10)
    assert torch.equal(data.x, torch.from_numpy(X).float())
    assert torch.equal(data.test[0], torch.from_numpy(X[:3] + 0.5).float())
    assert (data.y.tolist(), data.test[1].tolist()) == (Y.tolist(), [0, 1, 0])
    assert data.owners == ("a", "b") * 10


def test_own_test_data_are_standardised_by_the_training_rows(load):
    data = load({"standardise": True}, x=X, y=Y, x_test=X[:2], y_test=Y[:2])
    assert data.x.mean(0).abs().max() < 1e-6
    assert torch.equal(data.test[0], data.x[:2])


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.where(Y, "dog", "cat"), ("cat", "dog")),
        (Y * 7 + 3, ("3", "10")),
        (Y.astype(np.uint8), ("0", "1")),
        (Y == 1, ("0", "1")),
        (Y.astype(">i4"), ("0", "1")),
    ],
)
def test_labels_of_any_kind(load, y, classes):
    data = load(x=X, y=y, x_test=X, y_test=y)
    assert data.classes == classes
    assert data.y.tolist() == Y.tolist()


def test_classes_are_those_of_training_and_test_together(load):
    data = load(x=X, y=Y, x_test=X[:1], y_test=[-5])
    assert data.classes == ("-5", "0", "1")
    assert data.test[1].tolist() == [0]


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "i1", ">u2", "u8", "?"])
@pytest.mark.parametrize("standardise", [False, True])
def test_examples_of_any_real_type(load, dtype, standardise):
    x = X.astype(dtype)
    data = load({"standardise": standardise}, x=x, y=Y, x_test=x, y_test=Y)
    assert data.x.dtype == torch.float32
    if not standardise:
        assert np.array_equal(data.x.numpy(), x.astype(np.float32))


NAN = X.copy()
NAN[17, 2] = np.nan
TEST = {"x_test": X, "y_test": Y}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "own.npz must hold the array `y`, but it holds x"),
        ({}, "must hold the array `x`, but it holds nothing"),
        ({"x": X, "y": Y, "x_test": X}, "must hold the array `y_test`, but it holds x, y, x_test"),
        ({"x": X, "y": Y, "owners": Y}, "unknown array `owners`. Did you mean `owner`"),
        ({"x": X, "y": Y[:19]}, r"`y` must have shape \(20,\), .* but its shape is \(19,\)"),
        ({"x": X, "y": Y[:, None]}, r"`y` must have shape \(20,\), .* but its shape is \(20, 1\)"),
        ({"x": X, "y": Y, "owner": Y[1:]}, r"`owner` must have shape \(20,\)"),
        ({"x": X, "y": Y, **TEST, "y_test": Y[1:]}, r"`y_test` must have shape \(20,\)"),
        ({"x": X, "y": Y, **TEST, "owner": Y[1:]}, r"`owner` must have shape \(20,\)"),
        ({"x": X, "y": Y / 2}, "`y` must hold whole numbers or texts, but it holds float64"),
        ({"x": X.astype("U4"), "y": Y}, "`x` must hold real numbers, but it holds <U"),
        ({"x": X + 0j, "y": Y}, "`x` must hold real numbers, but it holds complex128"),
        ({"x": X[:, 0], "y": Y}, r"`x` must have shape .* but its shape is \(20,\)"),
        ({"x": X[:0], "y": Y[:0]}, r"at least one row .* but its shape is \(0, 4\)"),
        ({"x": X, "y": Y, **TEST, "x_test": X[:, 1:]}, r"the shapes are \(3,\) and \(4,\)"),
        ({"x": NAN, "y": Y}, "own.npz: .*1 of its 80 values .* in row 17, column 2"),
        ({"x": X, "y": Y, **TEST, "x_test": NAN}, "`x_test` must be finite, .* row 17, column 2"),
        ({"x": X * 1e300, "y": Y}, "`x` must be finite, .* infinite in float32"),
        ({"x": X, "y": Y * 0}, "at least two classes"),
        ({"x": X.astype(object), "y": Y}, "would need pickle, which may run any program"),
        ({"x": X, "y": Y.astype(object)}, "would need pickle, which may run any program"),
    ],
)
@pytest.mark.parametrize("standardise", [False, True])
def test_arrays_that_cannot_be_used(load, arrays, message, standardise):
    with pytest.raises(InputError, match=message):
        load({"standardise": standardise}, **arrays)


def write_pickle(path):
    path.write_bytes(pickle.dumps({"x": [1]}))


def write_one_array(path):
    with path.open("wb") as stream:
        np.save(stream, X)


def write_truncated(path):
    np.savez_compressed(path, x=X, y=Y)
    path.write_bytes(path.read_bytes()[:-50])


def write_damaged(path):
    np.savez_compressed(path, x=X, y=Y)
    content = bytearray(path.read_bytes())
    content[90:120] = bytes(30)
    path.write_bytes(bytes(content))


def write_damaged_directory(path):
    np.savez(path, x=X, y=Y)
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x00\x00"))


def write_huge_header(path):
    # Claims 8 * 10**18 bytes.
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000000, 1), }"
    member = b"\x93NUMPY\x01\x00" + len(header + b"\n").to_bytes(2, "little") + header + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", member)
        archive.writestr("y.npy", member)


def write_text_member(path):
    np.savez(path, y=Y)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x", "no array")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "it is no such archive"),
        (lambda path: path.write_text("x,y\n1,2\n"), "it is no such archive"),
        (write_pickle, "it is no such archive"),
        (write_one_array, "it is no such archive"),
        (write_truncated, "it is no such archive"),
        (write_damaged, "reading failed"),
        (write_damaged_directory, "reading failed"),
        (write_huge_header, "reading failed"),
        (write_text_member, "`x` must hold real numbers"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, write, message):
    write(tmp_path / "own.npz")
    with pytest.raises(InputError, match=f"own.npz.*{message}"):
        npz(tmp_path / "own.npz")
