"""A new head on a trained model: its features stay, and what does not fit is refused."""

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.models import build_model


def trunk(shape=(32, 32, 1)):
    keras.utils.set_random_seed(0)
    model = build_model("cnn", shape, 7, width=0.1)
    return keras.Model(model.inputs[0], model.get_layer("dropout").output)


def test_features_are_those_of_the_starting_model(rng):
    start = trunk()
    images = rng.integers(0, 256, (3, 32, 32, 1))
    before = start.predict_on_batch(images)
    model = build_model("fine_tune", (32, 32, 1), 3, trunk=start)
    assert model.output_shape == (None, 3)
    features = keras.Model(model.inputs[0], model.get_layer("dropout").input)
    np.testing.assert_allclose(features.predict_on_batch(images), before, rtol=1e-5)


def test_without_a_trunk_it_is_a_net_with_random_weights():
    assert build_model("fine_tune", (32, 32, 1), 3, width=0.1).output_shape == (None, 3)
    with pytest.raises(InputError, match=r"weights: a\.h5 has to be opened first; use `fer-tf train --from a\.h5`"):
        build_model("fine_tune", (32, 32, 1), 3, weights="a.h5")


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(
        InputError, match=r"input_shape: the starting model takes \(32, 32, 1\); received \(48, 48, 1\)"
    ):
        build_model("fine_tune", (48, 48, 1), 3, trunk=trunk())
