"""Gradients of class scores: exact for a linear net, and of each picture alone."""

import keras
import numpy as np

from fer_tf.explain.gradients import score_gradients


def linear_net(classes=3):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4, 5, 2)), keras.layers.Flatten(), keras.layers.Dense(classes)])


def test_a_linear_nets_gradient_is_its_kernel(rng):
    model, targets = linear_net(), np.array([2, 0])
    kernel = keras.ops.convert_to_numpy(model.layers[-1].kernel)
    found = score_gradients(model, rng.random((2, 4, 5, 2)), targets)
    np.testing.assert_allclose(found, kernel.T[targets].reshape(2, 4, 5, 2), rtol=1e-5)


def test_a_pictures_gradient_does_not_depend_on_the_others(rng):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6, 6, 1)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(3)])
    images, targets = rng.random((4, 6, 6, 1)), np.array([0, 1, 2, 1])
    together = score_gradients(model, images, targets)
    alone = [score_gradients(model, images[row : row + 1], targets[row : row + 1])[0] for row in range(4)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert together.dtype == np.float32


def test_folded_regions_have_the_target_of_their_picture(rng):
    """The head gets two maps for each picture and gives one row of scores."""
    inputs = keras.Input((3, 3, 1))
    means = keras.layers.GlobalAveragePooling2D()(inputs)
    scores = keras.ops.repeat(keras.ops.reshape(means, (-1, 2)), 2, axis=1)
    found = score_gradients(keras.Model(inputs, scores), rng.random((4, 3, 3, 1)), np.array([0, 3]))
    np.testing.assert_allclose(found[:, 0, 0, 0], [1 / 9, 0, 0, 1 / 9], rtol=1e-5)
