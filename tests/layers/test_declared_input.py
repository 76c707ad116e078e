"""The pixels of models from elsewhere are those that their training's own libraries make."""

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.layers import DeclaredInput
from fer_tf.layers.declared_input import CHANNELS, NEED_COLOUR, PIXELS

GRAY = (0.299, 0.587, 0.114)


@pytest.fixture
def colours(rng):
    """RGB pictures uint8 [2, 12, 10, 3]."""
    return rng.integers(0, 256, (2, 12, 10, 3), dtype=np.uint8)


def answer(pixels, channels, images):
    return np.asarray(DeclaredInput(pixels, channels)(images))


def per_image_standardization(images):
    import tensorflow as tf

    return tf.image.per_image_standardization(images)


EXPECTED = {
    "0..255": lambda x: x,
    "0..1": lambda x: x / 255,
    "-1..1": lambda x: (x / 255 - 0.5) * 2,
    "imagenet-caffe": lambda x: keras.applications.vgg16.preprocess_input(x.copy()),
    "imagenet-torch": lambda x: keras.applications.densenet.preprocess_input(x.copy()),
    "standardised": per_image_standardization,
    "mean=129.5,std=65": lambda x: (x - 129.5) / 65,
}


def test_every_kind_has_its_formula():
    assert set(PIXELS) == set(EXPECTED) - {"mean=129.5,std=65"}


@pytest.mark.parametrize("pixels", EXPECTED)
def test_pixels_are_those_of_the_libraries(colours, pixels):
    expected = np.asarray(EXPECTED[pixels](colours.astype(np.float32)))
    found = answer(pixels, "rgb", colours)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(answer(pixels, "rgb", colours[1:]), found[1:], "a picture's own pixels decide alone")


@pytest.mark.parametrize("pixels", [name for name in EXPECTED if name not in NEED_COLOUR])
def test_gray_models_get_the_same_pixels(rng, pixels):
    gray = rng.integers(0, 256, (2, 12, 10, 1), dtype=np.uint8)
    expected = np.asarray(EXPECTED[pixels](gray.astype(np.float32)))
    np.testing.assert_allclose(answer(pixels, "gray", gray), expected, rtol=1e-4, atol=1e-4)


def test_channels_come_before_the_pixels(colours):
    np.testing.assert_allclose(answer("0..1", "bgr", colours), colours[..., ::-1] / 255, atol=1e-6)
    caffe_of_bgr = keras.applications.vgg16.preprocess_input(colours[..., ::-1].astype(np.float32))
    np.testing.assert_allclose(answer("imagenet-caffe", "bgr", colours), caffe_of_bgr, atol=1e-4)
    luminance = (colours @ np.array(GRAY))[..., None] / 255
    np.testing.assert_allclose(answer("0..1", "gray", colours), np.repeat(luminance, 3, axis=-1), atol=1e-5)


def test_a_picture_of_one_colour_is_no_division_by_zero():
    assert not answer("standardised", "gray", np.full((1, 8, 8, 1), 7, np.uint8)).any()


@pytest.mark.parametrize("channels", CHANNELS)
def test_it_is_saved_with_its_model(colours, channels, tmp_path):
    inputs = keras.Input((12, 10, 3))
    model = keras.Model(inputs, DeclaredInput("mean=1.5,std=2", channels)(inputs))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(colours), model.predict_on_batch(colours))


@pytest.mark.parametrize(
    ("pixels", "channels", "message"),
    [
        ("0-1", "rgb", r"pixels: allowed are 0..255, 0..1, .* or mean=M,std=S .*; received '0-1'"),
        ("mean=1,std=0", "rgb", "pixels: allowed are"),
        (1, "rgb", "pixels: allowed are"),
        ("0..1", "RGB", "channels: allowed are gray, rgb, bgr; received 'RGB'"),
    ],
)
def test_other_kinds_are_refused(pixels, channels, message):
    with pytest.raises(InputError, match=message):
        DeclaredInput(pixels, channels)


@pytest.mark.parametrize(
    ("pixels", "channels", "message"),
    [
        ("imagenet-caffe", "gray", "pixels: imagenet-caffe needs a model of 3 channels; this one takes 1"),
        ("0..1", "bgr", "channels: bgr needs a model of 3 channels; this one takes 1"),
    ],
)
def test_one_channel_has_no_colours(pixels, channels, message):
    with pytest.raises(InputError, match=message):
        DeclaredInput(pixels, channels)(np.zeros((1, 8, 8, 1)))
