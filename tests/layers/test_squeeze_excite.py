"""Squeeze-and-excitation against a NumPy reading of Hu 2018: a gate on the wrong axis still trains, to less."""

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.layers import SqueezeExcite


def built(rng, channels=8, ratio=4):
    """A layer in double precision with weights and biases that are not zero."""
    layer = SqueezeExcite(ratio, dtype="float64")
    layer.build((None, 5, 6, channels))
    layer.set_weights([rng.normal(0, 1, weight.shape) for weight in layer.weights])
    return layer


def numpy_reading(x, weights):
    """Hu 2018: z_c = mean over H×W of x (eq. 2), s = σ(W2 δ(W1 z)) (eq. 3), x̃_c = s_c x_c (eq. 4); with biases."""
    first, first_bias, second, second_bias = weights
    z = x.mean(axis=(1, 2))
    s = 1 / (1 + np.exp(-(np.maximum(0, z @ first + first_bias) @ second + second_bias)))
    return x * s[:, None, None, :]


def test_is_what_the_paper_says(rng):
    layer, x = built(rng), rng.normal(0, 1, (3, 5, 6, 8))
    np.testing.assert_allclose(np.asarray(layer(x)), numpy_reading(x, layer.get_weights()), rtol=1e-10)


def test_gradients_match_finite_differences(rng):
    """By the input and by every weight: a gate cut off from the gradient would stay where it began."""
    tf = pytest.importorskip("tensorflow")
    layer, x, mix = built(rng), rng.normal(0, 1, (2, 5, 6, 8)), rng.normal(0, 1, (2, 5, 6, 8))
    values = [x, *layer.get_weights()]
    source = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(source)
        score = tf.reduce_sum(layer(source) * mix)
    gradients = tape.gradient(score, [source, *(variable.value for variable in layer.trainable_variables)])
    for index, gradient in enumerate(gradients):
        place = np.unravel_index(rng.integers(values[index].size), values[index].shape)
        ends = []
        for step in (1e-5, -1e-5):
            moved = [value.copy() for value in values]
            moved[index][place] += step
            ends.append(np.sum(numpy_reading(moved[0], moved[1:]) * mix))
        assert gradient.numpy()[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("channels", "ratio", "units"), [(64, 16, 4), (64, 1, 64), (8, 16, 2), (1, 16, 2)])
def test_ratio_never_leaves_fewer_than_two_units(channels, ratio, units):
    """Narrow nets (width 0.125) would otherwise squeeze all channels through one unit, or none."""
    layer = SqueezeExcite(ratio)
    layer.build((None, 4, 4, channels))
    assert layer.squeeze.units == units
    assert layer.excite.units == channels
    assert layer.count_params() == channels * units + units + units * channels + channels


@pytest.mark.parametrize("ratio", [0, -4, 2.5, True])
def test_wrong_ratios_are_refused(ratio):
    with pytest.raises(InputError, match="ratio: must be a"):
        SqueezeExcite(ratio)


def test_config_keeps_the_ratio():
    layer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(SqueezeExcite(7, name="gate")))
    assert isinstance(layer, SqueezeExcite)
    assert layer.ratio == 7
    assert layer.name == "gate"
