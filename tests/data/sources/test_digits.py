import pytest
import torch

from fedqml.core.errors import InputError
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
