import hashlib
import pickle

import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.data import known_files
from fedqml.data.archives import open_archive
from fedqml.data.partitions import central
from fedqml.data.sources import cifar10_pair
from fedqml.data.sources.cifar10_pair import find_cifar10
from tests.archives import write_folder, write_tar, write_tgz, write_zip
from tests.image_sets import ROWS, batches, cifar10_binary, cifar10_python, make_official


def put_python_archive(path):
    return write_tgz(path / "any.name", cifar10_python())


def put_python_folder(path):
    return write_folder(path / "here", cifar10_python())


def put_python_batches(path):
    return put_python_folder(path) / "cifar-10-batches-py"


def put_binary_archive(path):
    return write_tgz(path / "any.name", cifar10_binary())


def put_binary_folder(path):
    return write_folder(path / "here", cifar10_binary())


def put_both(path):
    write_folder(path / "here", cifar10_binary())
    return put_python_folder(path)


PUT = [
    *(put_python_archive, put_python_folder, put_python_batches),
    *(put_binary_archive, put_binary_folder, put_both),
]


@pytest.fixture(params=PUT, ids=lambda put: put.__name__)
def path(request, tmp_path, monkeypatch):
    path = request.param(tmp_path)
    make_official(monkeypatch, path.read_bytes() if path.is_file() else b"")
    return path


@pytest.fixture
def official(monkeypatch):
    make_official(monkeypatch)


def expected(classes, names):
    x, y = [], []
    for name in names:
        labels, pixels = batches()[name]
        for label, image in zip(labels, pixels, strict=True):
            if label in classes:
                x.append(image.reshape(3, 32, 32) / np.float32(255))
                y.append(classes.index(label))
    return torch.tensor(np.array(x)), torch.tensor(y)


def test_two_classes_of_every_form(path):
    data = cifar10_pair(path)
    assert data.classes == ("airplane", "automobile")
    *train, test = known_files.CIFAR10_BATCHES
    for got, wanted in (
        ((data.x, data.y), expected([0, 1], train)),
        (data.test, expected([0, 1], [test])),
    ):
        assert torch.equal(got[0], wanted[0])
        assert torch.equal(got[1], wanted[1])
    assert data.test_names[0].startswith("test_batch/")
    assert data.about["may_show"] is False


def test_what_was_verified_is_recorded(path):
    unverified = path.is_dir() and not list(path.glob("**/data_batch_1"))
    assert ("not verified" in cifar10_pair(path).about["title"]) == unverified


def test_chosen_classes_in_their_order(tmp_path, official):
    data = cifar10_pair(put_python_archive(tmp_path), classes=["truck", "cat", "bird"])
    assert data.classes == ("truck", "cat", "bird")
    assert data.y.bincount().tolist() == [ROWS // 2] * 3
    wanted = expected([9, 3, 2], list(known_files.CIFAR10_BATCHES)[:-1])
    assert torch.equal(data.x, wanted[0])
    assert torch.equal(data.y, wanted[1])


def test_all_forms_are_the_same_data(tmp_path, monkeypatch):
    prints, digests = set(), set()
    for i, put in enumerate(PUT):
        (tmp_path / str(i)).mkdir()
        path = put(tmp_path / str(i))
        make_official(monkeypatch, path.read_bytes() if path.is_file() else b"")
        prints.add(cifar10_pair(path).split(central()).fingerprint())
        found = find_cifar10(open_archive(path), ["cat", "dog"])
        digests.add((found.names, found.hashes))
        monkeypatch.undo()
    assert len(prints) == len(digests) == 1


def test_the_known_checksums_refuse_everything_else(tmp_path, monkeypatch):
    official = known_files.CIFAR10_BATCHES["data_batch_1"]
    path = put_python_archive(tmp_path)
    with pytest.raises(InputError, match=rf"data_batch_1 must have the MD5 {official}, but it has"):
        cifar10_pair(path)
    path = put_binary_archive(tmp_path)
    md5 = known_files.CIFAR10_BINARY.md5
    with pytest.raises(InputError, match=rf"any.name must have the MD5 {md5}, but it has [0-9a-f]"):
        cifar10_pair(path)


class Evil:
    def __reduce__(self):
        return open, ("evil", "w")


def test_a_batch_with_another_checksum_is_never_unpickled(tmp_path, monkeypatch, official):
    monkeypatch.chdir(tmp_path)
    files = cifar10_python()
    files["cifar-10-batches-py/data_batch_3"] = pickle.dumps(Evil())
    with pytest.raises(InputError, match=r"data_batch_3 must have the MD5"):
        cifar10_pair(write_folder(tmp_path / "here", files))
    assert not (tmp_path / "evil").exists()


def test_nor_could_it_do_anything_with_the_right_one(tmp_path, monkeypatch, official):
    monkeypatch.chdir(tmp_path)
    files = cifar10_python()
    evil = files["cifar-10-batches-py/data_batch_3"] = pickle.dumps(Evil())
    monkeypatch.setitem(known_files.CIFAR10_BATCHES, "data_batch_3", hashlib.md5(evil).hexdigest())
    with pytest.raises(InputError, match=r"must be a batch of CIFAR-10, but it would call"):
        cifar10_pair(write_folder(tmp_path / "here", files))
    assert not (tmp_path / "evil").exists()


def changed(files, name, content):
    return {**files, name: content}


BIN, TEST = "cifar-10-batches-bin/data_batch_2.bin", "cifar-10-batches-bin/test_batch.bin"
WHOLE = cifar10_binary()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a/b.txt": b"x"}, "must hold the batches of CIFAR-10, .* Download cifar-10-python"),
        ({k: v for k, v in WHOLE.items() if k != TEST}, r"there is no test_batch.bin\. Download"),
        (changed(WHOLE, BIN, WHOLE[BIN][:-1]), r"must hold records of 3073 bytes"),
        (changed(WHOLE, BIN, b""), r"must hold records of 3073 bytes, but it has 0"),
        (changed(WHOLE, BIN, WHOLE[BIN][3073:]), f"must hold {ROWS} images"),
        (changed(WHOLE, BIN, b"\x0a" + WHOLE[BIN][1:]), "with labels from 0 to 9"),
        ({f"{c}/{k}": v for c in "ab" for k, v in WHOLE.items()}, "must hold CIFAR-10 once"),
    ],
)
def test_what_cannot_be_used(tmp_path, official, files, message):
    with pytest.raises(InputError, match=message):
        cifar10_pair(write_folder(tmp_path / "here", files))


@pytest.mark.parametrize("write", [write_tar, write_tgz])
def test_a_binary_archive_that_somebody_else_packed_is_refused(tmp_path, official, write):
    with pytest.raises(InputError, match="it is damaged, or not the official file"):
        cifar10_pair(write(tmp_path / "a", WHOLE))


def test_a_broken_download_says_so(tmp_path, official):
    path = put_python_archive(tmp_path)
    path.write_bytes(path.read_bytes()[:-9000])
    with pytest.raises(InputError, match="truncated or damaged: download it again"):
        cifar10_pair(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["airplane", "car"]}, r"`car` is none.* Allowed: airplane"),
        ({"classes": ["airplane"]}, "be two or more different names"),
        ({"classes": []}, "be two or more different names"),
        ({"classes": ["cat", "cat"]}, "be two or more different names"),
        ({"size": 0}, "`size` must be at least 1"),
        ({"components": -1}, "`components` must be at least 0"),
    ],
)
def test_settings_out_of_range(tmp_path, settings, message):
    with pytest.raises(InputError, match=message):
        cifar10_pair(tmp_path, **settings)


def test_a_zip_of_the_batches(tmp_path, official):
    assert len(cifar10_pair(write_zip(tmp_path / "a", cifar10_python())).y) == ROWS
