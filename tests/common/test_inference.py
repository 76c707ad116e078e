"""Probabilities batch by batch: the batch size changes nothing, and outputs that are no probabilities are refused."""

import keras
import numpy as np
import pytest
from second_outputs import classifier_with

from fer_tf.common.checks import InputError
from fer_tf.common.inference import predict_both
from fer_tf.data.base import ArrayImages, Split
from fer_tf.models.inference import predict_probabilities

pytestmark = pytest.mark.usefixtures("untraced")


def model_of(activation):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, activation)]
    return keras.Sequential(layers)


def test_the_batch_size_changes_nothing_and_no_pictures_give_no_rows(rng):
    model, images = model_of("softmax"), rng.random((7, 4, 4, 1))
    whole = predict_probabilities(model, images)
    np.testing.assert_allclose(predict_probabilities(model, images, batch_size=3), whole, atol=1e-6)
    assert predict_probabilities(model, images[:0]).shape == (0, 3)


def test_a_split_is_read_in_its_order(rng):
    model, images, rows = (
        model_of("softmax"),
        rng.integers(0, 256, (7, 4, 4, 1), dtype=np.uint8),
        np.array([5, 0, 3, 6]),
    )
    split = Split(ArrayImages(images), rows, np.zeros(4, int), ("anger", "fear", "joy"))
    expected = predict_probabilities(model, images[rows])
    np.testing.assert_allclose(predict_probabilities(model, split, batch_size=3), expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_raw_scores_are_refused(rng, activation):
    with pytest.raises(InputError, match=r"model: outputs are not probabilities \(a row sums to .*end the model in a"):
        predict_probabilities(model_of(activation), rng.random((5, 4, 4, 1)) + 1)


def test_both_outputs_come_batch_by_batch_and_belong_to_the_same_pictures(rng):
    model, images = classifier_with(), rng.integers(0, 256, (5, 48, 48, 1), dtype=np.uint8)
    probabilities, values = predict_both(model, images, batch_size=2)
    assert values.shape == (5, 2)
    np.testing.assert_allclose(probabilities, predict_probabilities(model, images), atol=1e-6)
    alone = [predict_both(model, images[[row]])[1][0] for row in range(5)]
    np.testing.assert_allclose(values, alone, atol=1e-6)
    assert predict_both(model, images[:0])[1].shape == (0, 2)


def test_a_model_without_a_second_output_has_no_values(rng):
    model, images = model_of("softmax"), rng.random((3, 4, 4, 1))
    probabilities, values = predict_both(model, images)
    assert values is None
    np.testing.assert_array_equal(probabilities, predict_probabilities(model, images))
