"""Averaging over views of a picture: exact symmetries, and the same for splits and arrays."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.models.inference import predict_probabilities
from fer_tf.runs.averaged_views import VIEWS, crops, predict_with_tta
from fer_tf.saving import load_model

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture
def model(tiny_model_path):
    return load_model(tiny_model_path)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (7, 48, 48, 1), dtype=np.uint8)


def test_none_is_the_plain_prediction(model, images):
    np.testing.assert_array_equal(predict_with_tta(model, images, "none"), predict_probabilities(model, images))


def test_flip_is_the_mean_of_image_and_mirror_image_and_sees_no_difference(model, images):
    mirrored = images[:, :, ::-1]
    plain, other = predict_probabilities(model, images), predict_probabilities(model, mirrored)
    assert np.abs(plain - other).max() > 1e-4
    found = predict_with_tta(model, images)
    np.testing.assert_allclose(found, (plain + other) / 2, atol=1e-6)
    np.testing.assert_allclose(found, predict_with_tta(model, mirrored), atol=1e-7)


def test_ten_crop_sees_no_difference_in_mirror_images_or_batches(model, images):
    found = predict_with_tta(model, images, "ten_crop")
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.abs(found - predict_probabilities(model, images)).max() > 1e-4
    np.testing.assert_allclose(found, predict_with_tta(model, images[:, :, ::-1], "ten_crop"), atol=1e-5)
    np.testing.assert_allclose(found, predict_with_tta(model, images, "ten_crop", batch_size=3), atol=1e-5)


def test_crops_are_the_corners_and_the_centre():
    ramp = np.broadcast_to(np.arange(11, dtype=np.uint8)[None, None, :, None], (1, 11, 11, 1))
    columns = [crop[0, 5, :, 0] for crop in crops(ramp, 0.8)]
    starts = [0, 2, 0, 2, 1]  # of ten steps from first to last pixel, a crop of 0.8 has eight
    np.testing.assert_allclose(columns, [start + 0.8 * np.arange(11) for start in starts], atol=1e-5)
    rows = [crop[0, :, 5, 0] for crop in crops(ramp.transpose(0, 2, 1, 3), 0.8)]
    np.testing.assert_allclose(rows, [start + 0.8 * np.arange(11) for start in [0, 0, 2, 2, 1]], atol=1e-5)
    assert len(list(VIEWS["ten_crop"](ramp))) == 10


def test_splits_are_taken_and_wrong_views_refused(model, tiny_faces):
    found = predict_with_tta(model, tiny_faces.val, "flip", batch_size=16)
    np.testing.assert_allclose(found, predict_with_tta(model, tiny_faces.val.images, "flip"), atol=1e-6)
    with pytest.raises(InputError, match="tta: allowed are none, flip, ten_crop; received 'five'"):
        predict_with_tta(model, tiny_faces.val, "five")
