import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from fedqml.core.errors import InputError
from fedqml.data import known_files
from fedqml.data.recognise import recognise_images
from fedqml.data.recognise_weights import holds_weights, recognise_weights
from tests.archives import write_folder, write_tgz, write_zip
from tests.image_sets import cifar10_binary, cifar10_python, kaggle, make_official, microsoft, photo

PETS = {f"{kind}/{i}.png": photo(i, kind="PNG") for kind in ("hen", "owl") for i in range(3)}


def test_cats_and_dogs(tmp_path):
    found = recognise_images(write_zip(tmp_path / "a", microsoft()))
    assert found.what == "photographs of cats and dogs"
    assert found.counts == {"cat": (19,), "dog": (18,)}
    reasons = dict(found.left_out)
    assert reasons.keys() == {
        *("PetImages/Cat/3.jpg", "PetImages/Dog/3.jpg", "PetImages/Dog/4.jpg"),
        *("PetImages/Cat/Thumbs.db", "PetImages/Dog/Thumbs.db"),
    }
    assert "truncated" in reasons["PetImages/Dog/3.jpg"]
    assert found.setting == 'data = { use = "cats_dogs", path = "PATH" }'
    assert found.checks[0].endswith("that of no file known here")


def test_a_known_archive_is_known(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a", kaggle(3))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = replace(known_files.KAGGLE_CATS_DOGS, sha256=sha256)
    monkeypatch.setattr(known_files, "DATA", (known,))
    assert recognise_images(path).checks == (f"SHA-256 {sha256}, that of dogs-vs-cats.zip",)
    assert recognise_images(write_folder(tmp_path / "b", kaggle(3))).checks == ()


@pytest.mark.parametrize(
    ("write", "files", "check"),
    [
        (write_tgz, cifar10_python(), "as published: the MD5 is right"),
        (write_folder, cifar10_python(), "as published: the MD5 is right"),
        (write_folder, cifar10_binary(), "not verified"),
    ],
)
def test_cifar10(tmp_path, monkeypatch, write, files, check):
    make_official(monkeypatch)
    found = recognise_images(write(tmp_path / "a", files))
    assert found.what == "CIFAR-10"
    assert check in found.checks[0]
    assert found.counts["truck"] == (20, 4)
    assert len(found.counts) == 10


def test_folders_of_classes(tmp_path):
    found = recognise_images(write_folder(tmp_path / "a", PETS))
    assert (found.counts, found.left_out) == ({"hen": (3,), "owl": (3,)}, ())
    divided = {f"{part}/{name}": file for part in ("train", "test") for name, file in PETS.items()}
    assert recognise_images(write_zip(tmp_path / "b", divided)).counts["owl"] == (3, 3)


def test_every_image_is_decoded_and_watched(tmp_path):
    seen = []

    def watch(images):
        for image in images:
            seen.append(image)
            yield image

    recognise_images(write_folder(tmp_path / "a", PETS), watch)
    assert seen == list(range(6))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "two or more, but it has none"),
        ({"a.txt": b"x", "b.txt": b"y"}, "must hold the photographs of cats and dogs, the batches"),
        ({**PETS, "owl/9.png": b"x"}, r"owl/9.png must be an image, but it is no image"),
        ({f"train/cat.{i}.jpg": photo(i) for i in range(3)}, "has none of dog"),
        (cifar10_python(), "must have the MD5"),
    ],
)
def test_what_cannot_be_used(tmp_path, files, message):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match=message):
        recognise_images(write_folder(tmp_path / "a", files))


VGG = {
    "features.0.weight": np.zeros((2, 2), np.float32),
    "features.28.weight": np.zeros((2, 2), np.float32),
}


def save_torch(tensors, path, **options):
    torch.save({name: torch.tensor(value) for name, value in tensors.items()}, path, **options)


def save_old(tensors, path):
    save_torch(tensors, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [save_file, save_torch, save_old])
def test_weights_are_known_by_their_tensors(tmp_path, save):
    save(VGG, tmp_path / "own")
    assert holds_weights(tmp_path / "own")
    found = recognise_weights(tmp_path / "own")
    assert found.what == "weights named as VGG16's are"
    assert "of no file known here" in found.checks[0]
    assert 'preprocessing = "..."' in found.setting
    save({"layer.weight": np.zeros(3, np.float32)}, tmp_path / "other")
    with pytest.raises(InputError, match=r"must hold the weights of VGG16, .* it holds layer.wei"):
        recognise_weights(tmp_path / "other")


@pytest.mark.parametrize("save", [save_file, save_torch, save_old])
def test_damaged_weights(tmp_path, save):
    save(VGG, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    for kept in range(1, len(whole) - 200, 29):
        (tmp_path / "cut").write_bytes(whole[:kept])
        if holds_weights(tmp_path / "cut"):
            with pytest.raises(InputError, match=r"cannot be read so|it holds"):
                recognise_weights(tmp_path / "cut")


def test_weights_under_a_known_name_must_be_those(tmp_path):
    path = tmp_path / "vgg16_features-amdegroot-88682ab5.pth"
    save_torch(VGG, path)
    with pytest.raises(InputError, match=r"must have the SHA-256 88682ab5\.\.\., but it has "):
        recognise_weights(path)


def test_images_are_no_weights(tmp_path):
    assert not holds_weights(write_zip(tmp_path / "a", kaggle(2)))
    (tmp_path / "b").write_bytes(b"{}")
    assert not holds_weights(tmp_path / "b")


REAL = "../shared/data/vgg16_features_oxford.safetensors"


def test_known_weights(request):
    path = request.config.rootpath / REAL
    if not path.is_file():
        pytest.skip("no real weights here")
    found = recognise_weights(path)
    assert found.checks[0].endswith("that of vgg16_features_oxford.safetensors")


def test_the_table_of_known_files_is_well_formed():
    files = (*known_files.DATA, *known_files.WEIGHTS)
    assert len({file.name for file in files}) == len(files)
    for file in files:
        assert file.page.startswith("https://")
        assert file.url == "" or file.url.endswith(f"/{file.name}")
        assert "PATH" in file.setting
        assert len(file.md5) in (0, 32)
        assert len(file.sha256) in (0, 8, 64)
        int(f"0{file.md5}{file.sha256}", 16)
