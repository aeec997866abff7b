import copy
import hashlib
import pickle
import struct
from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.data import fingerprint
from fedqml.data.dataset import Data, FederatedData
from fedqml.data.partitions import by_owner, central, iid
from fedqml.data.shares import Shares

X = torch.arange(12.0).reshape(6, 2)
Y = torch.tensor([0, 1, 2, 0, 1, 2])
TEST = (torch.zeros(3, 2), torch.tensor([2, 2, 0]))


def given(**changes):
    return Data(**{"x": X, "y": Y, "test": TEST, **changes})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.int64, torch.float32),
        (torch.uint8, torch.float32),
        (torch.bool, torch.float32),
    ],
)
def test_examples_are_floats_of_one_type(before, after):
    data = given(x=X.to(before))
    assert data.x.dtype == data.test[0].dtype == after
    assert torch.equal(data.x, X.to(before).to(after))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
def test_labels_of_any_integer_type(dtype):
    data = given(y=Y.to(dtype), test=(TEST[0], TEST[1].to(dtype)))
    assert data.y.dtype == data.test[1].dtype == torch.int64
    assert torch.equal(data.y, Y)


def test_truth_values_are_labels():
    assert given(y=Y > 0).y.tolist() == [0, 1, 1, 0, 1, 1]


def test_data_are_cut_off_from_gradients():
    assert not given(x=X.clone().requires_grad_()).x.requires_grad


def test_classes_have_names():
    assert given().classes == ("0", "1", "2")
    assert given(classes=("a", "b", "c", "d")).classes == ("a", "b", "c", "d")
    assert given(y=torch.tensor([0, 1, 0, 1, 0, 1])).classes == ("0", "1", "2")


def test_data_are_frozen():
    with pytest.raises(FrozenInstanceError):
        given().x = X


NAN = X.clone()
NAN[2, 1] = torch.nan
NAN[3, 0] = torch.inf


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": X.to(torch.complex64)}, "`x` must hold real numbers, but it holds torch.complex64"),
        ({"x": X[:, 0]}, r"shape \(rows, features...\) .* but its shape is \(6,\)"),
        ({"x": X[:0], "y": Y[:0]}, r"at least one row .* but its shape is \(0, 2\)"),
        ({"x": X[:, :0]}, r"one feature, but its shape is \(6, 0\)"),
        ({"x": X[:5]}, "`x` has 5 and `y` has 6"),
        ({"y": Y[:, None]}, r"`y` must have shape \(rows,\), but its shape is \(6, 1\)"),
        ({"y": Y.float()}, "`y` must hold class indices of an integer type, .*torch.float32"),
        ({"y": Y - 1}, r"`y` .* row 0 \(counting from 0\) holds -1"),
        (
            {"y": Y + 1, "test": (TEST[0], TEST[1] + 1)},
            "from 0 to its largest, 3, but no .*class 0",
        ),
        ({"y": Y * 10**9}, "no row has class 1"),
        ({"y": Y * 0}, "at least two classes, but every training row has class 0"),
        (
            {"x": NAN},
            r"2 of its 12 values are NaN or infinite in float32; .* row 2, column 1 \(",
        ),
        (
            {"x": NAN.reshape(6, 1, 2), "test": (torch.zeros(3, 1, 2), TEST[1])},
            r"row 2, column \(0, 1\) \(counting from 0\)",
        ),
        ({"test": (TEST[0][:0], TEST[1][:0])}, r"`test\[0\]` must have shape"),
        ({"test": (TEST[0][:2], TEST[1])}, r"`test\[0\]` has 2 and `test\[1\]` has 3"),
        ({"test": (torch.zeros(3, 5), TEST[1])}, r"the shapes are \(5,\) and \(2,\)"),
        ({"test": (TEST[0] / 0, TEST[1])}, r"`test\[0\]` must be finite, but 6 of its 6"),
        ({"test": (TEST[0].double() + 1e300, TEST[1])}, r"`test\[0\]` .* infinite in float32"),
        ({"classes": ("a", "b")}, "below 2, .*but the largest one .* is 2"),
        ({"classes": ("a", "b", "b")}, "distinct texts"),
        ({"owners": ("a", "b")}, "2 names for 6 rows"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        given(**changes)


def test_split_gives_every_row_to_one_client():
    split = given().split(iid(4))
    assert [len(rows) for rows in split.clients] == [2, 2, 1, 1]
    assert sorted(torch.cat(split.clients).tolist()) == list(range(6))
    assert split.names == (None,) * 4


def test_split_depends_on_the_seed_alone():
    x, y = torch.zeros(100, 1), torch.arange(100) % 2
    data = Data(x, y, test=(x, y))
    once, again, other = (data.split(iid(2), seed=seed).clients for seed in (0, 0, 1))
    assert torch.equal(once[0], again[0])
    assert not torch.equal(once[0], other[0])


def test_split_by_owner_has_names():
    split = given(owners=("b", "a", "b", "c", "c", "c")).split(by_owner())
    assert split.names == ("a", "b", "c")
    assert [rows.tolist() for rows in split.clients] == [[1], [0, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("clients", "names", "message"),
    [
        ((), (), "at least one client"),
        (([0, 1, 2], [], [3, 4, 5]), (), "client 1 has none"),
        (([0, 1, 2], [2, 3, 4, 5]), (), "exactly once, but row 2 is there 2 times"),
        (([0, 1, 2], [4, 5]), (), "exactly once, but row 3 is there 0 times"),
        (([0, 1, 2], [3, 4, 5, 6]), (), "below 6, but client 1 has row 6"),
        (([0, 1, 2], [3, 4, 5, -1]), (), r"`clients\[1\]` .* holds -1"),
        (([0, 1, 2], [3, 4, 5]), ("a",), "it has 1 for 2 clients"),
    ],
)
def test_own_partitions_are_checked(clients, names, message):
    rows = tuple(torch.tensor(held, dtype=torch.int64) for held in clients)
    with pytest.raises(InputError, match=message):
        given().split(lambda labels, owners, rng: Shares(rows, names))


def test_a_partition_returns_shares():
    with pytest.raises(InputError, match="must return `Shares`, but this one returned list"):
        given().split(lambda labels, owners, rng: [[0, 1, 2, 3, 4, 5]])


def test_fingerprint_is_the_digest_of_the_documented_bytes():
    x, y = torch.tensor([[0.5], [-2.0]]), torch.tensor([0, 1])
    split = FederatedData(Data(x, y, test=(x, y), classes=("no", "ja")), (y,))
    floats, integers = struct.pack("<2f", 0.5, -2.0), struct.pack("<2q", 0, 1)
    parts = [
        b'["no","ja"]\n',
        b'["x","float32",[2,1]]\n' + floats,
        b'["y","int64",[2]]\n' + integers,
        b'["x_test","float32",[2,1]]\n' + floats,
        b'["y_test","int64",[2]]\n' + integers,
        b'["client","int64",[2]]\n' + integers,
    ]
    assert split.fingerprint() == hashlib.sha256(b"".join(parts)).hexdigest()


def test_fingerprint_changes_with_anything_that_training_sees():
    x = X.clone()
    x[5, 1] += 1e-6 * x[5, 1]
    y = Y.flip(0)
    test = TEST[0].clone()
    test[0, 0] = 1
    variants = [
        given().split(central()),
        given(x=x).split(central()),
        given(y=y).split(central()),
        given(test=(test, TEST[1])).split(central()),
        given(test=(TEST[0], TEST[1].flip(0))).split(central()),
        given(classes=("a", "b", "c")).split(central()),
        given(x=X.reshape(6, 2, 1), test=(TEST[0].reshape(3, 2, 1), TEST[1])).split(central()),
        given().split(central()).to(torch.float64),
        given().split(iid(2)),
        given().split(iid(3)),
        given().split(lambda labels, owners, rng: Shares((torch.arange(6).flip(0),))),
        replace(given().split(central()), further_tests={"a": TEST}),
        replace(given().split(central()), further_tests={"b": TEST}),
        replace(given().split(central()), further_tests={"a": (TEST[0], TEST[1].flip(0))}),
    ]
    assert len({v.fingerprint() for v in variants}) == len(variants)


def test_fingerprint_does_not_depend_on_memory_layout_or_pickling():
    plain = given().split(iid(2))
    other = given(x=X.t().contiguous().t()).split(iid(2))
    assert not other.data.x.is_contiguous()
    assert plain.fingerprint() == other.fingerprint()
    assert pickle.loads(pickle.dumps(plain)).fingerprint() == plain.fingerprint()  # noqa: S301


@pytest.fixture
def hashed(monkeypatch):
    """The names of all tensors that are hashed, in order."""
    names, line = [], fingerprint._line

    def noted(value):
        if isinstance(value[-1], list):  # name, type and shape
            names.append(value[0])
        return line(value)

    monkeypatch.setattr(fingerprint, "_line", noted)
    return names


def test_pooled_data_are_hashed_once_for_all_splits(hashed):
    data = given()
    splits = [data.split(iid(2), seed=seed) for seed in range(3)]
    for split in splits * 2:
        split.fingerprint()
        split.description()
        split.to(torch.float32).fingerprint()
    assert [name for name in hashed if name != "client"] == ["x", "y", "x_test", "y_test"]
    assert len({split.fingerprint() for split in splits}) == 3
    assert splits[1].fingerprint() == given().split(iid(2), seed=1).fingerprint()


@pytest.mark.parametrize("change", ["x", "y", "x_test", "y_test", "given x", "client"])
def test_data_changed_in_place_have_another_fingerprint(change):
    x = X.clone()
    data = given(x=x, y=Y.clone(), test=(X[:3].clone(), TEST[1].clone()))
    split = data.split(central())
    tensors = {"x": data.x, "y": data.y, "x_test": data.test[0], "y_test": data.test[1]}
    tensors |= {"given x": x, "client": split.clients[0]}
    before = split.fingerprint()
    kept = tensors[change].clone()
    tensors[change].copy_(kept.flip(0))
    after = split.fingerprint()
    assert before != after
    assert after == FederatedData(replace(data), split.clients).fingerprint()
    tensors[change].copy_(kept)
    assert split.fingerprint() == before


def test_data_made_in_inference_mode_are_never_taken_for_unchanged():
    with torch.inference_mode():
        data = given(x=X.double().float())
        assert data.x.is_inference()
        split = data.split(central())
        before = split.fingerprint()
        data.x[0] += 1
        assert split.fingerprint() != before


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda split: pickle.loads(pickle.dumps(split))],  # noqa: S301
)
def test_a_copy_of_fingerprinted_data_has_a_fingerprint_of_its_own(copied):
    split = given(x=X.clone()).split(iid(2))
    before = split.fingerprint()
    other = copied(split)
    assert other.fingerprint() == before
    other.data.x[0] += 1
    assert other.fingerprint() != before
    changed = replace(split, data=replace(split.data, x=X + 1))
    assert changed.fingerprint() == given(x=X + 1).split(iid(2)).fingerprint()


def test_description():
    about = {"title": "T"}
    owners = ("v", "u", "v", "v", "v", "u")
    split = given(classes=("a", "b", "c"), owners=owners, about=about).split(by_owner())
    assert split.description() == {
        "fingerprint": split.fingerprint(),
        "classes": ["a", "b", "c"],
        "train": 6,
        "test": 3,
        "shape": [2],
        "test_classes": [1, 0, 2],
        "about": {"title": "T"},
        "clients": [
            {"client": 0, "owner": "u", "examples": 2, "classes": [0, 1, 1]},
            {"client": 1, "owner": "v", "examples": 4, "classes": [2, 1, 1]},
        ],
    }


def test_precision_can_be_changed():
    split = given().split(iid(2)).to(torch.float64)
    assert split.data.x.dtype == split.data.test[0].dtype == torch.float64
    assert split.to(torch.float32).fingerprint() == given().split(iid(2)).fingerprint()
    with pytest.raises(InputError, match=r"`dtype` must be torch.float32 or torch.float64"):
        split.to(torch.float16)


def test_what_does_not_fit_in_single_precision_is_refused():
    x = X.double().clone()
    x[4, 0] = 1e300
    split = given(x=x).split(iid(2))
    with pytest.raises(InputError, match="infinite in float32; the first is in row 4, column 0"):
        split.to(torch.float32)


def test_replaced_data_are_checked_again():
    with pytest.raises(InputError, match="must be finite"):
        replace(given(), x=NAN)


def test_names_of_test_rows_must_match():
    with pytest.raises(InputError, match="`test_names` must have an entry for each of the 3 test"):
        given(test_names=("a", "b"))


@pytest.mark.parametrize("together", [1, 9, 1 << 24])
def test_the_fingerprint_does_not_depend_on_its_parts(monkeypatch, together):
    split = given().split(central())
    expected = split.fingerprint()
    monkeypatch.setattr(fingerprint, "_BYTES", together)
    assert split.fingerprint() == expected
    columns_first = X.T.contiguous().T
    assert given(x=columns_first).split(central()).fingerprint() == expected
    assert given(x=X.flip(0)).split(central()).fingerprint() != expected


def test_data_of_the_right_type_are_not_copied():
    split = given().split(central())
    assert split.data.x.data_ptr() == X.data_ptr()
    assert split.to(torch.float32) is split
