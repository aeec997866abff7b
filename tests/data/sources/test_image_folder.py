import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fedqml.core.errors import InputError
from fedqml.data.partitions import central
from fedqml.data.sources import image_folder
from tests.archives import write_tar, write_tgz, write_zip


def put(root, **classes):
    """Write images of 4 x 4 pixels, the red of each being its number times ten."""
    for name, numbers in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            image = Image.new("RGB", (4, 4), (10 * number, 0, 255))
            image.save(root / name / f"{number:02}.png")


def reds(x):
    return [round(255 * red) // 10 for red in x[:, 0, 0, 0].tolist()]


@pytest.fixture
def flat(tmp_path):
    put(tmp_path / "pets", cat=range(10), dog=range(10, 20))
    return tmp_path / "pets"


@pytest.fixture
def divided(tmp_path):
    put(tmp_path / "pets" / "train", dog=range(4), cat=range(4, 8))
    put(tmp_path / "pets" / "test", cat=[20], dog=[21, 22])
    return tmp_path / "pets"


def test_folders_of_classes(flat):
    data = image_folder(flat, size=4)
    assert data.classes == ("cat", "dog")
    assert (tuple(data.x.shape), tuple(data.test[0].shape)) == ((16, 3, 4, 4), (4, 3, 4, 4))
    assert sorted(reds(data.x) + reds(data.test[0])) == list(range(20))
    for x, y in ((data.x, data.y), data.test):
        assert y.tolist() == [int(red >= 10) for red in reds(x)]
        assert reds(x) == sorted(reds(x))
        assert (x[:, 1] == 0).all()
        assert (x[:, 2] == 1).all()


def test_images_that_come_divided(divided):
    data = image_folder(divided, size=4)
    assert data.classes == ("cat", "dog")
    assert (reds(data.x), data.y.tolist()) == ([4, 5, 6, 7, 0, 1, 2, 3], [0] * 4 + [1] * 4)
    assert (reds(data.test[0]), data.test[1].tolist()) == ([20, 21, 22], [0, 1, 1])


def test_a_class_may_be_called_train(tmp_path):
    put(tmp_path, train=range(5), plane=range(5, 10))
    assert image_folder(tmp_path, size=4).classes == ("plane", "train")
    put(tmp_path, test=range(10, 15))
    assert image_folder(tmp_path, size=4).classes == ("plane", "test", "train")


def test_chosen_classes_in_their_order(flat, divided):
    put(flat, eel=range(5))
    shutil.rmtree(flat / "train")
    shutil.rmtree(flat / "test")
    assert image_folder(flat, size=4).classes == ("cat", "dog", "eel")
    data = image_folder(flat, size=4, classes=["dog", "cat"])
    assert data.classes == ("dog", "cat")
    assert data.y.tolist() == [int(red < 10) for red in reds(data.x)]


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path):
    put(tmp_path, **{"10": range(3), "9": range(3)})
    assert image_folder(tmp_path, size=4).classes == ("9", "10")


def test_grey_and_size(flat):
    data = image_folder(flat, size=7, grey=True)
    assert tuple(data.x.shape[1:]) == (1, 7, 7)
    assert data.x.min() > 0
    assert data.x.max() < 1


def test_the_order_of_writing_does_not_matter(flat, tmp_path):
    put(tmp_path / "again", dog=range(19, 9, -1), cat=range(9, -1, -1))
    one, other = (image_folder(p, size=4).split(central()) for p in (flat, tmp_path / "again"))
    assert one.fingerprint() == other.fingerprint()


def test_hidden_files_and_files_beside_the_folders_are_passed_over(flat):
    before = image_folder(flat, size=4)
    (flat / "cat" / ".DS_Store").write_text("x")
    (flat / ".git").mkdir()
    (flat / "README.md").write_text("x")
    assert torch.equal(image_folder(flat, size=4).x, before.x)


def test_values_are_the_nearest_to_255ths(tmp_path):
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(2):
            ramp.save(tmp_path / name / f"{i}.png")
    x = image_folder(tmp_path, size=16, grey=True).x
    assert torch.equal(x[0].flatten(), (torch.arange(256).double() / 255).float())


def test_links(flat, tmp_path):
    os.symlink(flat / "cat" / "00.png", flat / "cat" / "10.png")
    data = image_folder(flat, size=4)
    assert sorted(reds(data.x) + reds(data.test[0]))[:3] == [0, 0, 1]
    outside = tmp_path / "secret.png"
    shutil.copy(flat / "cat" / "00.png", outside)
    os.symlink(outside, flat / "cat" / "11.png")
    with pytest.raises(InputError, match=r"11.png must lie inside .* leads out of it"):
        image_folder(flat, size=4)
    (flat / "cat" / "11.png").unlink()
    os.symlink(tmp_path / "gone.png", flat / "cat" / "12.png")
    with pytest.raises(InputError, match=r"12.png must be an image, but it is a link to nothing"):
        image_folder(flat, size=4)
    (flat / "cat" / "12.png").unlink()
    os.symlink("13.png", flat / "cat" / "13.png")
    with pytest.raises(InputError, match=r"13.png must be an image, but it is a link to nothing"):
        image_folder(flat, size=4)


def test_linked_folders_that_lead_out(flat, tmp_path):
    put(tmp_path / "elsewhere", eel=range(3))
    os.symlink(tmp_path / "elsewhere" / "eel", flat / "eel")
    with pytest.raises(InputError, match="leads out of it"):
        image_folder(flat, size=4)


def test_the_folder_itself_may_be_a_link(flat, tmp_path):
    os.symlink(flat, tmp_path / "link")
    assert torch.equal(image_folder(tmp_path / "link", size=4).x, image_folder(flat, size=4).x)


def broken(root):
    (root / "dog" / "99.jpg").write_text("no image")


def nested(root):
    (root / "dog" / "more").mkdir()


def pipe(root):
    os.mkfifo(root / "dog" / "pipe.jpg")


def emptied(root):
    shutil.rmtree(root / "dog")
    (root / "dog").mkdir()


def alone(root):
    shutil.rmtree(root / "dog")


def half_divided(root):
    put(root / "train", cat=range(3), dog=range(3))


@pytest.mark.parametrize(
    ("spoil", "settings", "message"),
    [
        (broken, {}, r"99.jpg must be an image"),
        (nested, {}, "more must be an image, but it is no regular file"),
        (pipe, {}, r"pipe.jpg must be an image, but it is no regular file"),
        (emptied, {}, "dog must hold images, but it is empty"),
        (alone, {}, "must have a folder for each class, two or more, but it has cat"),
        (half_divided, {}, "class folders in both train and test or in neither, but only train"),
        (None, {"classes": ["cat", "dgo"]}, r"no `dgo`. Did you mean `dog`\? Found: cat, dog"),
        (None, {"classes": ["cat"]}, "be two or more different names"),
        (None, {"classes": []}, "be two or more different names"),
        (None, {"classes": ["cat", "cat"]}, "be two or more different names"),
        (None, {"size": 0}, "`size` must be at least 1, but size=0"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(flat, spoil, settings, message):
    if spoil:
        spoil(flat)
    with pytest.raises(InputError, match=message):
        image_folder(flat, **settings)


def test_training_and_test_images_have_the_same_classes(divided):
    put(divided / "test", eel=[1])
    with pytest.raises(InputError, match="train has cat, dog and test has cat, dog, eel"):
        image_folder(divided, size=4)
    assert image_folder(divided, size=4, classes=["cat", "dog"]).classes == ("cat", "dog")


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="two or more, but it has none"):
        image_folder(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(InputError, match=r"`path` must be a folder, but .*a.png is none"):
        image_folder(tmp_path / "a.png")


def packed(write, folder, path, prefix=""):
    files = {
        f"{prefix}{file.relative_to(folder)}": file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
    return write(path, files)


@pytest.mark.parametrize("prefix", ["", "./", "pets/", "a/b/"])
@pytest.mark.parametrize("write", [write_zip, write_tar, write_tgz])
def test_archives_are_read_like_the_folders_in_them(flat, divided, tmp_path, write, prefix):
    shutil.rmtree(flat / "train")
    shutil.rmtree(flat / "test")
    put(tmp_path / "other" / "train", dog=range(4), cat=range(4, 8))
    put(tmp_path / "other" / "test", cat=[20], dog=[21, 22])
    for folder in (flat, tmp_path / "other"):
        (folder / "README.md").write_text("x")
        data = image_folder(folder, size=4)
        same = image_folder(packed(write, folder, tmp_path / "packed", prefix), size=4)
        assert same.split(central()).fingerprint() == data.split(central()).fingerprint()
        assert same.test_names == data.test_names


def test_errors_in_archives_name_the_place(flat, tmp_path):
    broken(flat)
    with pytest.raises(InputError, match=r"packed/dog/99.jpg must be an image, but it is no image"):
        image_folder(packed(write_zip, flat, tmp_path / "packed"))


def test_a_damaged_image_is_named_not_left_out(flat):
    whole = (flat / "dog" / "10.png").read_bytes()
    (flat / "dog" / "10.png").write_bytes(whole[:-30])
    with pytest.raises(InputError, match=r"dog/10.png must be an image, but it cannot be decoded"):
        image_folder(flat)


def test_the_owner_of_the_images_may_show_them(flat):
    assert "samples" not in image_folder(flat, size=4).about
    about = image_folder(flat, size=4, show=True).about
    assert about["may_show"] is True
    assert about["samples"].keys() == {"cat", "dog"}


def test_principal_components(flat):
    assert tuple(image_folder(flat, size=4, components=1).x.shape) == (16, 1)


REAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "planes_cars_jpeg.tar.gz"


@pytest.mark.skipif(not REAL.is_file(), reason="no real images here")
def test_real_images_in_an_archive():
    data = image_folder(REAL)
    assert data.classes == ("airplane", "automobile")
    assert tuple(data.x.shape) == (10_000, 3, 32, 32)
    assert data.y.bincount().tolist() == [5000, 5000]
    assert data.test[1].bincount().tolist() == [1000, 1000]
    assert data.test_names[0] == "test/airplane/0000.jpg"
    # Planes are in the sky: on the whole, they are bluer than cars.
    blue = (data.x[:, 2] - data.x[:, 0]).mean((1, 2))
    assert blue[data.y == 0].mean() > blue[data.y == 1].mean() + 0.03
