"""The majority layer: the shares of the training labels, for every picture."""

import keras
import numpy as np

from fer_tf.layers import MajorityClass


def test_before_training_all_classes_are_equally_likely(rng):
    layer = MajorityClass(4)
    np.testing.assert_allclose(layer(rng.random((3, 8, 8, 1))), np.full((3, 4), 0.25))


def test_adapt_sets_the_shares_also_of_classes_without_an_image(rng):
    layer = MajorityClass(4)
    layer.build((None, 8, 8, 1))
    layer.adapt([0, 2, 2, 2])
    np.testing.assert_allclose(layer(rng.random((2, 8, 8, 1))), [[0.25, 0, 0.75, 0]] * 2)
    assert layer.trainable_weights == []


def test_a_saved_layer_keeps_its_shares(tmp_path, rng):
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, MajorityClass(3, name="majority")(inputs))
    model.get_layer("majority").adapt([1, 1, 0])
    model.save(tmp_path / "a.h5")
    again = keras.models.load_model(tmp_path / "a.h5")
    images = rng.random((2, 4, 4, 1))
    np.testing.assert_allclose(again.predict_on_batch(images), model.predict_on_batch(images))
