import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from fedqml.core.errors import InputError
from fedqml.data.as_data import as_data
from fedqml.data.partitions import central
from fedqml.data.principal import principal
from tests.frozen import pictures, small


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("size", [4, 7, 32])
def test_pixels_are_those_of_the_stretched_image(size, grey):
    shown = pictures()
    data = as_data(shown, size=size, grey=grey)
    for index, row in ((0, data.x[0]), (31, data.x[31]), (32, data.test[0][0])):
        image = shown.read(index).convert("L" if grey else "RGB")
        pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        expected = np.atleast_3d(pixels).transpose(2, 0, 1) / np.float32(255)
        assert np.array_equal(row.numpy(), expected)
    assert data.x.shape == (32, 1 if grey else 3, size, size)
    assert data.about["pixels"] == {"size": size, "grey": grey}


def test_labels_names_and_left_out_images_stay_together():
    shown = pictures(broken=(3, 35))
    data = as_data(shown, size=4)
    kept = [i for i in range(40) if i not in (3, 35)]
    assert data.y.tolist() == [i % 2 for i in kept if i < 32]
    assert data.test[1].tolist() == [i % 2 for i in kept if i >= 32]
    assert data.test_names == tuple(shown.names[i] for i in kept if i >= 32)
    assert data.classes == ("cat", "dog")
    assert data.about["left_out"] == [
        {"name": "d3.png", "reason": "cut off after 3 bytes"},
        {"name": "d35.png", "reason": "cut off after 35 bytes"},
    ]
    whole = as_data(pictures(), size=4)
    assert torch.equal(torch.cat([data.x, data.test[0]]), torch.cat([whole.x, whole.test[0]])[kept])


def test_features_are_mapped_and_labelled_alike():
    data, pixels = (as_data(pictures(broken=(3, 35)), f) for f in (small(weights="a"), None))
    assert data.x.shape == (31, 5, 1)
    assert data.test[0].data_ptr() == data.x.data_ptr() + 31 * 5 * 4  # one piece of one file
    assert torch.equal(data.y, pixels.y)
    assert data.test_names == pixels.test_names
    assert data.about["left_out"] == pixels.about["left_out"]
    assert data.about["features"] == {
        "title": "Small",
        "shape": [5, 1],
        "network": "small",
        "weights": "a",
    }


def test_components():
    raw, data = as_data(pictures(), small()), as_data(pictures(), small(), components=2)
    train, test, share = principal(raw.x, raw.test[0], 2)
    assert torch.equal(data.x, train)
    assert torch.equal(data.test[0], test)
    assert data.about["components"] == {"number": 2, "variance": share}
    assert as_data(pictures(), size=4, components=3).x.shape == (32, 3)


def test_about_is_json_and_part_of_the_description():
    data = as_data(pictures(broken=(3,)), small())
    about = data.split(central()).description()["about"]
    assert json.loads(json.dumps(about)) == about
    assert about["title"] == "made for tests"
    assert about["url"] == "https://example.org"
    assert about["licence"] == "CC0"
    assert about["may_show"] is True


def test_samples_are_small_test_images():
    shown = pictures(side=(200, 80), broken=(34,))
    samples = as_data(shown, size=4).about["samples"]
    names = {label: [sample["name"] for sample in found] for label, found in samples.items()}
    assert names == {
        "cat": ["c32.png", "c36.png", "c38.png"],
        "dog": ["d33.png", "d35.png", "d37.png", "d39.png"],
    }
    image = Image.open(io.BytesIO(base64.b64decode(samples["cat"][0]["png"])))
    assert image.format == "PNG"
    assert image.size == (64, 26)
    small_images = as_data(pictures(), size=4).about["samples"]["cat"]
    shown_again = Image.open(io.BytesIO(base64.b64decode(small_images[0]["png"])))
    assert np.array_equal(np.asarray(shown_again), np.asarray(pictures().read(32)))


def test_images_that_may_not_be_shown_are_nowhere():
    about = as_data(pictures(may_show=False), small()).about
    assert "samples" not in about
    assert "png" not in json.dumps(about["features"])


def test_a_class_without_a_readable_image():
    with pytest.raises(InputError, match=r"readable test image .* none of dog .* cut off after"):
        as_data(pictures(broken=(33, 35, 37, 39)), size=4)
    with pytest.raises(InputError, match="readable training image of every class"):
        as_data(pictures(broken=tuple(range(0, 32, 2))), small())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "`size` must be at least 1"),
        ({"components": -1}, "`components` must be at least 0"),
        ({"components": 6}, "`components` must be at most 5"),
        ({"features": small(), "grey": True}, "`grey` must be false where a network"),
    ],
)
def test_settings_out_of_range(given, message):
    with pytest.raises(InputError, match=message):
        as_data(pictures(), **({"features": small()} | given))
