"""What a pretrained net is shown: a wrong normalisation costs it ten points and raises no error."""

import cv2
import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.layers import BackboneInput

# One family of `keras.applications` for each mode.
FAMILIES = {"tf": "mobilenet", "caffe": "vgg16", "torch": "densenet", "raw": "efficientnet"}


@pytest.fixture
def colours(rng):
    """RGB pictures uint8 [2, 24, 24, 3]."""
    return rng.integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", FAMILIES)
def test_modes_are_the_pretrainings_own(colours, mode):
    family = getattr(keras.applications, FAMILIES[mode])
    expected = family.preprocess_input(colours.astype(np.float32).copy())
    np.testing.assert_allclose(np.asarray(BackboneInput(24, mode)(colours)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("mode", FAMILIES)
def test_gray_is_shown_as_the_same_gray_in_three_channels(rng, mode):
    gray = rng.integers(0, 256, (2, 24, 24, 1), dtype=np.uint8)
    layer = BackboneInput(24, mode)
    np.testing.assert_array_equal(np.asarray(layer(gray)), np.asarray(layer(np.repeat(gray, 3, axis=-1))))


@pytest.mark.parametrize("side", [48, 36, 15])
def test_resizing_is_bilinear_between_pixel_centres(side):
    """Half a pixel off, the face would be in another place than in pretraining's pipelines (OpenCV's and Pillow's)."""
    picture = cv2.GaussianBlur(np.random.default_rng(1).uniform(0, 255, (24, 24)).astype(np.float32), (0, 0), 2)
    resized = np.asarray(BackboneInput(side, "raw")(picture[None, ..., None]))[0, ..., 1]
    np.testing.assert_allclose(resized, cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), atol=0.01)


def test_oblong_pictures_become_square(rng):
    layer = BackboneInput(32, "tf")
    shown = layer(rng.integers(0, 256, (2, 20, 28, 1), dtype=np.uint8))
    assert tuple(shown.shape) == (2, 32, 32, 3) == layer.compute_output_shape((2, 20, 28, 1))


def test_bytes_and_floats_give_the_same(colours):
    layer = BackboneInput(32, "torch")
    np.testing.assert_array_equal(np.asarray(layer(colours)), np.asarray(layer(colours.astype(np.float32))))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((32, "imagenet"), "mode: allowed are tf, caffe, torch, raw; received 'imagenet'"),
        ((0, "tf"), "size: must be a number >= 1; received 0"),
        ((32.0, "tf"), "size: must be a whole number; received 32.0"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        BackboneInput(*arguments)


def test_config_keeps_size_and_mode():
    layer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(BackboneInput(40, "caffe")))
    assert isinstance(layer, BackboneInput)
    assert (layer.size, layer.mode) == (40, "caffe")
