import os
import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fedqml.data import images
from fedqml.data.images import decode, recognise
from fedqml.data.pictures import Unreadable

RNG = np.random.Generator(np.random.Philox(1))
PIXELS = RNG.integers(256, size=(6, 6, 3), dtype=np.uint8)


def saved(image, kind, **options):
    content = BytesIO()
    image.save(content, format=kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF"])
def test_pixels_are_left_as_they_are(kind):
    assert np.array_equal(decode(saved(Image.fromarray(PIXELS), kind)), PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP"])
def test_lossy_formats(kind):
    image = decode(saved(Image.new("RGB", (9, 7), (255, 255, 255)), kind))
    assert (image.size, image.mode) == ((9, 7), "RGB")
    assert np.asarray(image).min() >= 250


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_colour_modes(mode):
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    image = decode(saved(Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode), kind))
    assert image.mode == "RGB"
    assert np.asarray(image).min() >= 254


def test_a_cmyk_jpeg_keeps_its_colours():
    red = Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK")
    assert np.abs(np.asarray(decode(saved(red, "JPEG")), int) - (200, 30, 30)).max() <= 6


def test_grey_has_three_equal_channels():
    pixels = np.asarray(decode(saved(Image.fromarray(PIXELS[..., 0]), "PNG")))
    assert np.array_equal(pixels, np.repeat(PIXELS[..., :1], 3, axis=2))


def test_transparent_palettes():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    # Half transparent entries: of such palettes PIL warns unless they become RGBA first.
    assert decode(saved(image, "PNG", transparency=b"\x80\x00")).getpixel((0, 0)) == (200, 100, 50)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_upper_eight(kind):
    deep = RNG.integers(2**16, size=(5, 5), dtype=np.uint16)
    pixels = np.asarray(decode(saved(Image.fromarray(deep), kind)))
    assert np.array_equal(pixels, np.repeat((deep >> 8)[..., None], 3, axis=2))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_values_without_a_range_are_refused(dtype):
    with pytest.raises(Unreadable, match="32-bit values have no fixed range"):
        decode(saved(Image.fromarray(np.ones((4, 4), dtype)), "TIFF"))


PHOTO = saved(Image.fromarray(np.tile(PIXELS, (20, 20, 1))), "JPEG")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"I am no image", "it is no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is no image"),
        (PHOTO[:2000], "it cannot be decoded: .*truncated"),
        (PHOTO[:20], "it is no image"),
    ],
    ids=["empty", "text", "postscript", "truncated", "beginning"],
)
def test_what_cannot_be_read(content, message):
    with pytest.raises(Unreadable, match=message):
        decode(content)


def test_a_damaged_end_is_only_found_by_decoding():
    assert recognise(PHOTO[:2000]).size == (120, 120)


def test_odd_metadata_does_not_matter():
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0" + bytes(range(40))
    content = saved(Image.fromarray(PIXELS), "JPEG", exif=exif)
    assert decode(content).size == (6, 6)


@pytest.mark.parametrize("limit", [30, 60, 99])
def test_too_many_pixels_are_refused(monkeypatch, limit):
    # PIL warns above its limit and raises above twice the limit: both are refused.
    content = saved(Image.new("L", (10, 10)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(Unreadable, match=f"more than {limit} pixels"):
        decode(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(content).size == (10, 10)


def test_absurd_sizes_are_refused_from_the_head_alone():
    content = bytearray(saved(Image.new("L", (10, 10)), "BMP"))
    content[18:26] = (60_000).to_bytes(4, "little") * 2
    with pytest.raises(Unreadable, match="exhaust the memory"):
        recognise(bytes(content))


def test_a_process_forked_while_another_thread_decodes_can_decode_too():
    with images._FILTERS:  # as if a thread held it that the new process does not have
        child = os.fork()
        if child == 0:
            os._exit(0 if decode(PHOTO).size == (120, 120) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_threads_do_not_disturb_one_another():
    wrong = []

    def work():
        for _ in range(50):
            if decode(PHOTO).size != (120, 120):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
