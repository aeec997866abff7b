import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fedqml.core.errors import InputError
from fedqml.core.resolve import call, settings
from fedqml.data import backbones
from fedqml.data.as_data import as_data
from fedqml.data.backbones import vgg16
from fedqml.data.known_files import VGG16
from fedqml.data.weights import file_digest
from tests.frozen import REAL, planes_cars, random_vgg16

OXFORD = REAL / "vgg16_features_oxford.safetensors"
module = __import__("fedqml.data.backbones.vgg16", fromlist=["vgg16"])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    return path, random_vgg16(path)


@pytest.fixture(autouse=True)
def checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path / "cache"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def by_hand(tensors, x):
    """Return VGG16's last max-pooling in double precision, layer by layer."""
    index = 0
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            weight, bias = (tensors[f"features.{index}.{p}"].double() for p in ("weight", "bias"))
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
            index += 2
        x = F.max_pool2d(x, 2)
        index += 1
    return x


def normalised(pixels, preprocessing):
    red, green, blue = pixels.double().unbind(1)
    if preprocessing == "caffe":
        return torch.stack([blue - 103.939, green - 116.779, red - 123.68], 1)
    if preprocessing == "ssd":
        means = (0.48235, 0.45882, 0.40784)
        return torch.stack([c - 255 * m for c, m in zip((red, green, blue), means, strict=True)], 1)
    scaled = torch.stack([red, green, blue], 1) / 255
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return (scaled - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]


@pytest.mark.parametrize("preprocessing", ["torchvision", "caffe", "ssd"])
@pytest.mark.parametrize("size", [32, 70])
def test_equals_the_layers_by_hand(weights, preprocessing, size):
    path, tensors = weights
    backbone = vgg16(path, size=size, preprocessing=preprocessing, scale=0.5)
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (2, 3, size, size), generator=generator)
    with torch.inference_mode():
        found = backbone.network()(pixels.float())
    expected = by_hand(tensors, normalised(pixels, preprocessing)) / 2
    assert found.shape[1:] == backbone.shape == (512, size // 32, size // 32)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4 * expected.max())
    assert expected.max() > 0


def test_the_layer_is_the_last_pooling_of_224(weights):
    backbone = vgg16(weights[0], preprocessing="caffe")
    assert backbone.shape == (512, 7, 7)
    assert backbone.prepare(Image.new("RGB", (500, 375))).shape == (3, 224, 224)


def test_images_of_their_own_size_are_not_resampled(weights):
    pixels = np.random.Generator(np.random.Philox(1)).integers(256, size=(32, 32, 3), dtype="uint8")
    for resize in ("crop", "stretch"):
        backbone = vgg16(weights[0], size=32, preprocessing="caffe", resize=resize)
        found = backbone.prepare(Image.fromarray(pixels))
        assert np.array_equal(found, pixels.transpose(2, 0, 1))


def test_everything_that_features_depend_on_is_in_the_settings(weights):
    def key(**changes):
        return str(vgg16(weights[0], **{"preprocessing": "caffe", **changes}).settings)

    changes = [{}, {"size": 32}, {"scale": 2.0}, {"preprocessing": "ssd"}, {"resize": "stretch"}]
    assert len({key(**change) for change in changes}) == len(changes)
    found = vgg16(weights[0], preprocessing="caffe").settings
    assert found["weights"] == file_digest(weights[0])
    assert found["preprocessing"] == "BGR, 0 to 255, minus (103.939, 116.779, 123.68)"
    assert found["resize"].startswith("shorter side to 256, bilinear, middle 224 x 224")


def test_gigaflops():
    # table 1 of arXiv:1409.1556: 15.3 G multiplications, of which the dense layers have 0.12
    assert module.gigaflops(224) == pytest.approx(2 * 15.35, rel=1e-3)
    assert module.gigaflops(32) == pytest.approx(module.gigaflops(224) / 49)


def test_unknown_weights_need_their_preprocessing(weights):
    with pytest.raises(InputError, match="`preprocessing` must be one of torchvision, caffe, ssd"):
        vgg16(weights[0])


def test_known_weights_have_it(weights, monkeypatch):
    known = dict.fromkeys([file_digest(weights[0])[:8]], "ssd")
    monkeypatch.setattr(module, "_KNOWN", known)
    assert vgg16(weights[0]).settings["preprocessing"].startswith("RGB, 0 to 255")


def test_auto_looks_into_pytorchs_cache(weights, checkpoints, monkeypatch):
    with pytest.raises(InputError, match=rf"is in {checkpoints}. Give .*\"download\""):
        vgg16()
    path = checkpoints / "vgg16_features-amdegroot-88682ab5.pth"
    random_vgg16(path, more={"classifier.0.weight": torch.full((2, 2), torch.nan)})
    with pytest.raises(InputError, match="that begins as its name says"):
        vgg16()
    monkeypatch.setattr(module, "_KNOWN", {file_digest(path): "ssd"})
    assert vgg16(size=64).shape == (512, 2, 2)
    (checkpoints / "vgg16-397923af.pth").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth must have a SHA-256"):
        vgg16()


def test_download_goes_to_pytorchs_cache(checkpoints, monkeypatch):
    asked = []

    def download(address, path, sha256):
        asked.append((address, path, sha256[:8]))
        random_vgg16(path)
        monkeypatch.setattr(module, "_KNOWN", {file_digest(path): "torchvision"})
        return path

    monkeypatch.setattr(module, "download", download)
    assert vgg16("download").settings["preprocessing"].startswith("RGB, 0 to 1")
    address = "https://download.pytorch.org/models/vgg16-397923af.pth"
    assert asked == [(address, checkpoints / "vgg16-397923af.pth", "397923af")]


def test_the_size_of_the_download_is_said_in_one_way():
    sizes = re.compile(r"\d+ MB")
    assert set(sizes.findall(vgg16.__doc__)) <= set(sizes.findall(VGG16.size))


def test_paths_in_files_start_from_their_folder(weights):
    path, _ = weights
    whole = settings(vgg16, {"weights": path.name, "preprocessing": "caffe"}, "features")
    assert call(vgg16, whole, "features", base=path.parent).settings["size"] == 224
    with pytest.raises(InputError, match="neither vgg16-397923af"):
        call(vgg16, settings(vgg16, {}, "features"), "features", base=path.parent)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"without": ["features.28.weight"]}, r"`features\.28\.weight` .* is missing"),
        ({"more": {"features.30.weight": torch.zeros(1)}}, "another network's"),  # VGG19
        ({"more": {"features.1.running_mean": torch.zeros(64)}}, "another network's"),
        ({"more": {"features.0.weight": torch.zeros(64, 1, 3, 3)}}, r"\(64, 1, 3, 3\)"),
        ({"more": {"features.0.bias": torch.full((64,), torch.nan)}}, "NaN"),
    ],
)
def test_wrong_weights(tmp_path, changes, message):
    random_vgg16(tmp_path / "w.pth", **changes)
    with pytest.raises(InputError, match=message) as refused:
        vgg16(tmp_path / "w.pth", preprocessing="caffe")
    assert str(tmp_path / "w.pth") in str(refused.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 31}, "`size` must be at least 32"),
        ({"size": 64.0}, "`size` must be a whole number"),
        ({"scale": 0.0}, "`scale` must be a finite number other than 0"),
        ({"scale": float("nan")}, "`scale` must be"),
        ({"scale": float("inf")}, "`scale` must be"),
    ],
)
def test_settings_out_of_range(weights, given, message):
    try:
        with pytest.raises(InputError, match=message):
            vgg16(weights[0], preprocessing="caffe", **given)
    except Exception as error:
        if type(error).__module__.startswith("jaxtyping"):
            pytest.skip("refused by the type checker of tests before")
        raise


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"`weights` must be a file, but .* is none"):
        vgg16(tmp_path)


def test_file_function_and_export_have_one_name():
    assert Path(module.__file__).stem == backbones.vgg16.__name__ == "vgg16"


@pytest.mark.skipif(not OXFORD.is_file(), reason=f"needs {OXFORD}")
def test_real_features_tell_planes_from_cars():
    images = planes_cars(train=500, test=150)
    backbone = vgg16(OXFORD, size=32)
    assert backbone.settings["preprocessing"].startswith("BGR")
    data = as_data(images, backbone)
    assert data.x.shape == (1000, 512, 1, 1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    model.fit(data.x.flatten(1).numpy(), data.y.numpy())
    accuracy = model.score(data.test[0].flatten(1).numpy(), data.test[1].numpy())
    # all 12,000 images give 0.947; 300 test images have a standard error of 0.013
    assert accuracy > 0.9
