import numpy as np
import pytest
from PIL import Image

from fedqml.core.errors import InputError
from fedqml.data.images import read_image

RNG = np.random.Generator(np.random.Philox(1))
PIXELS = RNG.integers(256, size=(6, 6, 3), dtype=np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff"])
def test_pixels_of_the_right_size_are_left_as_they_are(tmp_path, suffix):
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(PIXELS))
    assert np.array_equal(read_image(path, 6, False), PIXELS.transpose(2, 0, 1))


def test_grey_is_the_luma(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(PIXELS))
    luma = PIXELS @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read_image(path, 6, True)[0] - luma).max() <= 0.51


def test_a_photo_is_stretched_to_a_square(tmp_path):
    half = np.zeros((40, 80, 3), dtype=np.uint8)
    half[:, 40:] = 255
    pixels = read_image(saved(tmp_path / "a.png", Image.fromarray(half)), 8, False)
    assert pixels.shape == (3, 8, 8)
    assert (pixels[:, :, :3] == 0).all()
    assert (pixels[:, :, 5:] == 255).all()


def test_halving_averages(tmp_path):
    path = saved(tmp_path / "a.png", Image.new("L", (8, 8), 77))
    assert (read_image(path, 4, False) == 77).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("grey", [False, True])
def test_colour_modes(tmp_path, mode, grey):
    suffix = "tiff" if mode in ("CMYK", "YCbCr") else "png"
    image = Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode)
    pixels = read_image(saved(tmp_path / f"a.{suffix}", image), 4, grey)
    assert pixels.shape == ((1 if grey else 3), 4, 4)
    assert pixels.min() >= 254


def test_transparent_palettes(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    # Half transparent entries: of such palettes PIL warns unless they become RGBA first.
    path = saved(tmp_path / "a.png", image, transparency=b"\x80\x00")
    assert read_image(path, 4, False)[:, 0, 0].tolist() == [200, 100, 50]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_keep_their_upper_eight(tmp_path, suffix):
    deep = RNG.integers(2**16, size=(5, 5), dtype=np.uint16)
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(deep))
    for grey in (True, False):
        assert np.array_equal(read_image(path, 5, grey)[0], deep >> 8)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_values_without_a_range_are_refused(tmp_path, dtype):
    path = saved(tmp_path / "a.tiff", Image.fromarray(np.ones((4, 4), dtype)))
    with pytest.raises(InputError, match=r"a.tiff .* 32-bit values have no fixed range"):
        read_image(path, 4, False)


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"


def truncated(path):
    Image.fromarray(np.tile(PIXELS, (20, 20, 1))).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "must be an image"),
        (lambda path: path.write_text("I am no image"), "must be an image"),
        (lambda path: path.write_bytes(POSTSCRIPT), "must be an image"),
        (truncated, "must be readable, but it is not: .*truncated"),
        (lambda path: path.mkdir(), "must be readable, but it is not"),
        (lambda path: None, "must be readable, but it is not"),
    ],
    ids=["empty", "text", "postscript", "truncated", "folder", "missing"],
)  # fmt: skip
def test_unreadable_files_are_named(tmp_path, write, message):
    write(tmp_path / "photo.jpg")
    with pytest.raises(InputError, match=f"photo.jpg {message}"):
        read_image(tmp_path / "photo.jpg", 4, False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("limit", [30, 60, 99])
def test_too_many_pixels_are_refused(tmp_path, monkeypatch, limit):
    # PIL warns above its limit and raises above twice the limit: both are refused.
    path = saved(tmp_path / "bomb.png", Image.new("L", (10, 10)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(InputError, match=f"bomb.png must have at most {limit} pixels"):
        read_image(path, 4, False)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_image(path, 4, False).shape == (3, 4, 4)
