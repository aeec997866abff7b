import numpy as np
import pytest
from PIL import Image

from fedqml.data.pictures import Unreadable
from fedqml.data.squares import channels_first, cropped, stretched

RNG = np.random.Generator(np.random.Philox(4))


def image(width, height):
    return Image.fromarray(RNG.integers(256, size=(height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("square", [cropped, stretched])
def test_an_image_of_the_right_size_is_left_as_it_is(square):
    given = image(32, 32)
    assert square(given, 32) is given


@pytest.mark.parametrize(
    ("width", "height", "resized", "corner"),
    [
        # shorter side 256; torchvision takes int(256 * long / short), then round((side - 224) / 2)
        (500, 375, (341, 256), (58, 16)),
        (375, 500, (256, 341), (16, 58)),
        (300, 300, (256, 256), (16, 16)),
        (50, 20, (640, 256), (208, 16)),
        (224, 225, (256, 257), (16, 16)),
    ],
)
def test_cropping_is_torchvisions(width, height, resized, corner):
    given = image(width, height)
    whole = np.asarray(given.resize(resized, Image.Resampling.BILINEAR))
    left, top = corner
    expected = whole[top : top + 224, left : left + 224]
    assert np.array_equal(np.asarray(cropped(given, 224)), expected)


def test_stretching_keeps_the_edges():
    wide = Image.new("RGB", (80, 40))
    wide.paste((255, 255, 255), (40, 0, 80, 40))
    pixels = channels_first(stretched(wide, 8))
    assert pixels.shape == (3, 8, 8)
    assert (pixels[:, :, :3] == 0).all()
    assert (pixels[:, :, 5:] == 255).all()


def test_grey_has_one_channel():
    assert channels_first(Image.new("L", (5, 4))).shape == (1, 4, 5)


@pytest.mark.parametrize("sides", [(1, 5000), (5000, 1)])
def test_a_long_and_narrow_image_does_not_exhaust_the_memory(sides):
    with pytest.raises(Unreadable, match="differ so much"):
        cropped(Image.new("RGB", sides), 224)
