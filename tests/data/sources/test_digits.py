import numpy as np
import pytest
import torch
from torch import nn

from fedqml.core.errors import InputError
from fedqml.data.backbone import Backbone
from fedqml.data.sources import digits


def test_the_known_numbers():
    data = digits()
    y = torch.cat([data.y, data.test[1]])
    assert tuple(data.x.shape[1:]) == (64,)
    assert torch.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(data.test[1]) == 359
    assert (float(data.x.min()), float(data.x.max())) == (0, 1)
    # Sixteenths are exact in any binary precision.
    assert torch.equal(data.x * 16, (data.x * 16).round())


def test_classes_are_numbered_in_the_given_order():
    three_first, eight_first = digits(classes=[3, 8]), digits(classes=[8, 3])
    assert (three_first.classes, eight_first.classes) == (("3", "8"), ("8", "3"))
    means = [
        data.x[data.y == data.classes.index("3")].mean(0) for data in (three_first, eight_first)
    ]
    eights = three_first.x[three_first.y == 1].mean(0)
    assert (means[0] - means[1]).norm() < 0.2 * (means[0] - eights).norm()


def test_empty_pixels_stay_0_when_standardised():
    data = digits(standardise=True)
    assert not data.x[:, 0].any()
    assert data.x.mean(0).abs().max() < 1e-5


@pytest.mark.parametrize("classes", [[], [3], [3, 3], [3, 10], [-1, 3]])
def test_classes_that_are_none(classes):
    with pytest.raises(InputError, match="`classes` must be two or more different digits"):
        digits(classes=classes)


class Mean(nn.Module):
    def forward(self, pixels):
        return pixels.mean((2, 3))


def backbone():
    return Backbone(
        title="mean colour",
        prepare=lambda image: np.asarray(image).transpose(2, 0, 1),
        network=lambda: Mean().eval(),
        shape=(3,),
        batch=16,
        settings={"network": "mean"},
    )


def test_digits_as_images_for_a_frozen_network(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDQML_CACHE", str(tmp_path))
    plain, data = digits(classes=[0, 1]), digits(classes=[0, 1], features=backbone())
    assert torch.equal(plain.y, data.y)
    assert torch.equal(plain.test[1], data.test[1])
    assert tuple(data.x.shape[1:]) == (3,)
    # Sixteenths of ink are rounded to 255ths.
    assert (data.x / 255 - plain.x.mean(1, keepdim=True)).abs().max() < 0.5 / 255 + 1e-6
    assert data.about["may_show"] is True
    assert set(data.about["samples"]) == {"0", "1"}


def test_principal_components_of_pixels():
    data = digits(classes=[0, 1], components=4)
    assert tuple(data.x.shape[1:]) == (4,)
    assert torch.equal(data.y, digits(classes=[0, 1]).y)


def test_standardising_is_for_pixels():
    with pytest.raises(InputError, match="`standardise` must be false unless pixels are used"):
        digits(standardise=True, components=4)
