import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.data.archives import open_archive
from fedqml.data.partitions import central
from fedqml.data.pictures import About
from fedqml.data.sources import cats_dogs
from fedqml.data.sources.cats_dogs import find_cats_dogs
from tests.archives import write_folder, write_tgz, write_zip
from tests.image_sets import kaggle, microsoft, photo


def reds(x):
    return [round(255 * float(red) / 6) for red in x[:, 0].mean((1, 2))]


def put_microsoft_zip(path):
    return write_zip(path / "any.name", microsoft())


def put_microsoft_folder(path):
    return write_folder(path / "here", microsoft())


def put_the_folder_itself(path):
    return write_folder(path / "here", microsoft()) / "PetImages"


LEFT_OUT = {
    "PetImages/Cat/3.jpg": "empty",
    "PetImages/Dog/4.jpg": "no image",
    "PetImages/Cat/Thumbs.db": "thumbnails",
    "PetImages/Dog/Thumbs.db": "thumbnails",
}


@pytest.mark.parametrize(
    "put",
    [put_microsoft_zip, put_microsoft_folder, put_the_folder_itself],
    ids=lambda f: f.__name__,
)
def test_microsofts_photographs(tmp_path, put):
    data = cats_dogs(put(tmp_path), tests=10, size=8)
    assert data.classes == ("cat", "dog")
    left_out = {entry["name"]: entry["reason"] for entry in data.about["left_out"]}
    truncated = left_out.pop("PetImages/Dog/3.jpg")
    assert "truncated" in truncated
    assert left_out.keys() == LEFT_OUT.keys()
    for name, reason in LEFT_OUT.items():
        assert reason in left_out[name]
    # 38 could be images, of which one turns out to be truncated.
    assert len(data.y) + len(data.test[1]) == 37
    assert 9 <= len(data.test[1]) <= 10
    for x, y in ((data.x, data.y), data.test):
        assert y.tolist() == [int(red >= 20) for red in reds(x)]
    assert data.about["may_show"] is False
    assert "samples" not in data.about


def put_train_zip(path):
    return write_zip(path / "train", kaggle())


def put_kaggles_zip(path):
    inner = write_zip(path / "inner", kaggle()).read_bytes()
    test = write_zip(path / "test", {"test1/1.jpg": photo(1)}).read_bytes()
    files = {"train.zip": inner, "test1.zip": test, "sampleSubmission.csv": b"id,label\n"}
    return write_zip(path / "outer", files)


def put_kaggles_zips_in_a_folder(path):
    inner = write_zip(path / "inner", kaggle()).read_bytes()
    return write_folder(path / "here", {"train.zip": inner, "sampleSubmission.csv": b"x"})


def put_folder(path):
    return write_folder(path / "here", {**kaggle(), "test1/1.jpg": photo(1)})


def put_the_folder_train_itself(path):
    return write_folder(path / "here", kaggle()) / "train"


def put_tar(path):
    return write_tgz(path / "packed", {f"./a/{name}": c for name, c in kaggle().items()})


PUT = [
    *(put_train_zip, put_kaggles_zip, put_kaggles_zips_in_a_folder),
    *(put_folder, put_the_folder_train_itself, put_tar),
]


@pytest.mark.parametrize("put", PUT, ids=lambda put: put.__name__)
def test_kaggles_photographs(tmp_path, put):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    data = cats_dogs(put(tmp_path / "first"), tests=10, size=8)
    assert (len(data.y), len(data.test[1])) == (30, 10)
    assert sorted(reds(data.x) + reds(data.test[0])) == list(range(40))
    assert data.test[1].bincount().tolist() == [5, 5]
    same = cats_dogs(put_train_zip(tmp_path / "second"), tests=10, size=8)
    assert fingerprint(data) == fingerprint(same)


def fingerprint(data):
    return data.split(central()).fingerprint()


def test_digests_do_not_depend_on_the_container(tmp_path):
    rows = np.arange(40)
    digests = set()
    for i, put in enumerate(PUT):
        (tmp_path / str(i)).mkdir()
        found = find_cats_dogs(open_archive(put(tmp_path / str(i))))
        digests.add(pictures(found, rows).digest)
    assert len(digests) == 1
    changed = {**kaggle(), "train/dog.19.jpg": photo(38)}
    found = find_cats_dogs(open_archive(write_zip(tmp_path / "changed", changed)))
    assert pictures(found, rows).digest not in digests


def pictures(found, rows):
    return found.pictures(rows[::2], rows[1::2], About("x"))


def test_photographs_are_in_the_order_of_their_numbers(tmp_path):
    found = find_cats_dogs(open_archive(put_folder(tmp_path)))
    assert found.names[:3] == ("train/cat.0.jpg", "train/cat.1.jpg", "train/cat.2.jpg")
    assert found.names[20:23] == ("train/dog.0.jpg", "train/dog.1.jpg", "train/dog.2.jpg")


def test_training_images_can_be_fewer(tmp_path):
    path = put_train_zip(tmp_path)
    whole = cats_dogs(path, tests=10, size=8)
    data = cats_dogs(path, train=16, tests=10, size=8)
    assert data.y.bincount().tolist() == [8, 8]
    assert torch.equal(data.test[0], whole.test[0])
    assert set(reds(data.x)) < set(reds(whole.x))
    # More than there are: all that are left, and the tests as many as wanted.
    assert len(cats_dogs(path, train=10**6, tests=4, size=8).y) == 36


def test_the_default_sizes_are_those_of_the_paper(tmp_path):
    files = kaggle(100)
    with pytest.raises(InputError, match=r"leave images to train with, but tests=2000 and .* 200 "):
        cats_dogs(write_zip(tmp_path / "a", files))


def test_components_and_grey(tmp_path):
    path = put_train_zip(tmp_path)
    assert tuple(cats_dogs(path, tests=10, size=8, grey=True).x.shape) == (30, 1, 8, 8)
    assert tuple(cats_dogs(path, tests=10, size=8, components=3).x.shape) == (30, 3)


BOTH = {**microsoft(3), **kaggle(3)}
TWICE = {f"{copy}/{name}": content for copy in "ab" for name, content in kaggle(3).items()}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a/b.txt": b"x"}, r"must hold the photographs .* Download dogs-vs-cats.zip from https"),
        ({"test1/1.jpg": photo(1)}, r"as in test1.zip, have no labels"),
        (BOTH, "it holds PetImages and train; name one of them"),
        (TWICE, r"holds train/cat.0.jpg in several folders"),
        ({"train.zip": b"broken"}, r"train.zip must be a zip or tar archive"),
        ({f"train/cat.{i}.jpg": photo(i) for i in range(9)}, "image of every class"),
    ],
)
@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_what_cannot_be_used(tmp_path, files, message, write):
    with pytest.raises(InputError, match=message):
        cats_dogs(write(tmp_path / "a", files), tests=3)


@pytest.mark.parametrize(
    "settings", [{"tests": 1}, {"train": 1}, {"size": 0}, {"components": -1}, {"tests": 39}]
)
def test_settings_out_of_range(tmp_path, settings):
    with pytest.raises(InputError, match=f"`{next(iter(settings))}` must"):
        cats_dogs(put_train_zip(tmp_path), **settings)


def test_a_missing_archive_says_where_to_get_it(tmp_path):
    with pytest.raises(InputError, match=r"there is no .*/gone.*Download dogs-vs-cats.zip from"):
        cats_dogs(tmp_path / "gone")


def test_an_archive_beside_it_may_have_been_meant(tmp_path):
    write_zip(tmp_path / "dogs-vs-cats.zip", kaggle())
    with pytest.raises(InputError, match=r"If dogs-vs-cats.zip holds it, name that: /"):
        cats_dogs(tmp_path)


def test_archives_in_archives_end(tmp_path):
    inner = write_zip(tmp_path / "inner", kaggle()).read_bytes()
    middle = write_zip(tmp_path / "middle", {"train.zip": inner}).read_bytes()
    with pytest.raises(InputError, match="must hold the photographs"):
        cats_dogs(write_zip(tmp_path / "outer", {"train.zip": middle}))


def test_a_broken_download_says_so(tmp_path):
    path = put_microsoft_zip(tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="truncated or damaged: download it again"):
        cats_dogs(path)


def test_a_changed_byte_in_an_archive_is_refused_before_any_work(tmp_path):
    path = put_train_zip(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.find(b"train/dog.7.jpg") + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"dog.7.jpg must be as the archive describes it"):
        cats_dogs(path, tests=10)
