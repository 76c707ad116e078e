"""Reading pictures: every kind comes out upright, 8 bits, gray or RGB. Other files are named and not read."""

import re
import warnings

import numpy as np
import pytest
from fixtures import BROKEN, write_face
from PIL import Image

from fer_tf.common.checks import DataError
from fer_tf.data.base import FileImages
from fer_tf.data.folders import list_images
from fer_tf.data.images import FORMATS, convert, read_image, resize

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (6, 8), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
LUMINANCE = RGB @ [0.299, 0.587, 0.114]


def half(left, right, dtype=np.uint8):
    """A 6×8 picture whose left and right halves are uniform: values or lists of values a channel."""
    return np.concatenate([np.full((6, 4, *np.shape(side)), side, dtype) for side in (left, right)], axis=1)


def palette(transparent):
    picture = Image.fromarray(half(0, 1)).convert("P")
    picture.putpalette([200, 10, 30, 0, 90, 0])
    return picture, {"transparency": 1} if transparent else {}


def cmyk():
    return Image.fromarray(half([0, 255, 255, 0], [0, 0, 0, 0]), "CMYK")


def rotated(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif, "quality": 95}


# what it is: (file name, Pillow picture, options of save, expected [H, W, C] as the file is, tolerance)
PICTURES = {
    "rgb": ("a.png", Image.fromarray(RGB), {}, RGB, 0),
    "gray": ("a.png", Image.fromarray(GRAY), {}, GRAY[..., None], 0),
    "gray bmp": ("a.bmp", Image.fromarray(GRAY), {}, GRAY[..., None], 0),
    "rgb webp": ("a.webp", Image.fromarray(RGB), {"lossless": True}, RGB, 0),
    "rgba": ("a.png", Image.fromarray(half([9, 8, 7, 255], [0, 0, 0, 0])), {}, half([9, 8, 7], [255] * 3), 0),
    "half transparent": (
        "a.png",
        Image.fromarray(half([0, 0, 0, 128], [0, 0, 0, 255])),
        {},
        half([127] * 3, [0] * 3),
        1,
    ),
    "gray + alpha": ("a.png", Image.fromarray(half([9, 255], [0, 0]), "LA"), {}, half([9] * 3, [255] * 3), 0),
    "palette": ("a.png", *palette(False), half([200, 10, 30], [0, 90, 0]), 0),
    "transparent palette": ("a.png", *palette(True), half([200, 10, 30], [255] * 3), 0),
    "transparent gray": ("a.png", Image.fromarray(half(9, 0)), {"transparency": 0}, half([9] * 3, [255] * 3), 0),
    "cmyk": ("a.jpg", cmyk(), {"quality": 95}, half([255, 0, 0], [255] * 3), 8),
    "16 bit": ("a.png", Image.fromarray(GRAY.astype(np.uint16) * 257), {}, GRAY[..., None], 0),
    "16 bit tiff": ("a.tif", Image.fromarray(GRAY.astype(np.uint16) * 257), {}, GRAY[..., None], 0),
    "1 bit": ("a.png", Image.fromarray(half(0, 255)).convert("1"), {}, half(0, 255)[..., None], 0),
    "float 0..255 tiff": ("a.tif", Image.fromarray(half(3.4, 250.0, np.float32)), {}, half(3, 250)[..., None], 0),
    "float 0..1 tiff": ("a.tif", Image.fromarray(half(0.0, 0.2, np.float32)), {}, half(0, 51)[..., None], 0),
    "animation": (
        "a.gif",
        Image.fromarray(half(10, 200)),
        {"save_all": True, "append_images": [Image.fromarray(half(90, 90))]},
        half([10] * 3, [200] * 3),
        0,
    ),
}


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_every_kind_of_picture_reads_as_eight_bits(tmp_path, kind, channels):
    name, picture, options, expected, tolerance = PICTURES[kind]
    picture.save(tmp_path / name, **options)
    expected = expected.astype(float)
    if channels == 1 and expected.shape[2] == 3:
        expected, tolerance = expected @ [[0.299], [0.587], [0.114]], tolerance + 1
    if channels == 3:
        expected = np.broadcast_to(expected, (*expected.shape[:2], 3))
    pixels = read_image(tmp_path / name, channels)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.astype(float), expected, atol=tolerance)


# how a picture that is black above and white below is stored under each EXIF orientation
STORED = {1: "above", 3: "below", 6: "left", 8: "right"}


@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_of_a_turned_camera_is_read_upright(tmp_path, orientation):
    upright = np.repeat([[0], [255]], 16, axis=0).repeat(16, axis=1).astype(np.uint8)
    stored = {"above": upright, "below": upright[::-1], "left": upright.T, "right": upright.T[:, ::-1]}
    Image.fromarray(stored[STORED[orientation]]).save(tmp_path / "a.jpg", **rotated(orientation))
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg", 1)[..., 0].astype(float), upright, atol=5)


def test_a_turned_photo_with_a_spoilt_exif_entry_is_read_all_the_same(tmp_path):
    options = rotated(6)
    options["exif"][0x010E] = "hello"
    Image.fromarray(GRAY).save(tmp_path / "a.jpg", **options)
    written = (tmp_path / "a.jpg").read_bytes()
    description, width_as_text = b"\x01\x0e\x00\x02", b"\x01\x00\x00\x02"
    assert written.count(description) == 1
    (tmp_path / "a.jpg").write_bytes(written.replace(description, width_as_text))
    assert read_image(tmp_path / "a.jpg").shape == (8, 6, 1)


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_no_picture_is_named(tmp_path, fault):
    path = BROKEN[fault](tmp_path / "ä b.jpg")
    with pytest.raises(DataError) as refused:
        read_image(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("limit", [40, 20])  # Pillow by itself warns over the limit and raises over twice the limit
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, limit):
    Image.fromarray(GRAY).save(tmp_path / "bomb.png")
    assert read_image(tmp_path / "bomb.png").shape == (6, 8, 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(DataError, match=f"bomb.png: more than {limit} pixels"):
        read_image(tmp_path / "bomb.png")


def test_reading_in_threads_leaves_the_callers_warning_filters_alone(tmp_path):
    files = FileImages([write_face(tmp_path / "a.png")] * 500, (48, 48), 1)
    before = list(warnings.filters)
    for _ in range(4):
        files.fetch(np.arange(500))
    assert warnings.filters == before


@pytest.mark.parametrize("size", [(3, 4), (3, 8), (48, 48), (1, 1)])
def test_size_is_height_and_width(tmp_path, size):
    Image.fromarray(np.full((6, 8, 3), [10, 20, 30], np.uint8)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", size=size), np.full((*size, 3), [10, 20, 30]))


def test_shrinking_averages_and_does_not_skip_pixels():
    stripes = np.tile(np.array([0, 200], np.uint8), (96, 48))[..., None]
    np.testing.assert_array_equal(resize(stripes, (48, 48)), np.full((48, 48, 1), 100))


def test_convert_repeats_gray_and_takes_the_luminance_of_rgb():
    np.testing.assert_array_equal(convert(GRAY[None, ..., None], channels=3)[0], np.dstack([GRAY] * 3))
    np.testing.assert_allclose(convert(RGB[None], channels=1)[0, ..., 0], LUMINANCE, atol=1)
    assert convert(RGB[None], (5, 7), 1).shape == (1, 5, 7, 1)


def test_jfif_files_are_jpeg(tmp_path):
    smooth = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jfif", "JPEG", quality=95)
    assert np.abs(read_image(tmp_path / "a.jfif")[..., 0].astype(int) - smooth).mean() < 3
    assert list_images(tmp_path) == [tmp_path / "a.jfif"]


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow cannot read AVIF")
def test_avif_is_read(tmp_path):
    smooth = np.linspace(0, 255, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.avif", quality=95)
    assert np.abs(read_image(tmp_path / "a.avif").astype(int) - smooth).mean() < 5
    assert list_images(tmp_path) == [tmp_path / "a.avif"]


@pytest.mark.parametrize(
    ("brand", "message"),
    [
        (b"heic", "is a HEIC picture, as iPhones make them, which cannot be read; convert it to JPEG: `sips"),
        (b"mif1", "is a HEIC picture"),
        (b"mp42", "is not a picture that can be read"),
    ],
)
def test_heic_pictures_say_how_to_convert_them(tmp_path, brand, message):
    (tmp_path / "IMG_1.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(64))
    with pytest.raises(DataError, match=re.escape(message)):
        read_image(tmp_path / "IMG_1.jpg")
