"""Parts that all models share: channel counts, the smallest picture, and the end of every model."""

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.models.parts import check_side, classifier, conv_norm, penalty, scaled


def test_widths_scale_channels_but_never_below_four():
    assert scaled((32, 64, 10), 0.5) == (16, 32, 5)
    assert scaled((32, 64), 0.01) == (4, 4)
    with pytest.raises(InputError, match="width"):
        scaled((32,), 0.0)


def test_a_picture_that_cannot_be_halved_so_often_is_refused():
    check_side("net", (16, 20, 1), 4)
    with pytest.raises(InputError, match=r"input_shape: net halves the side 4 times, \(16, 15\) is too small"):
        check_side("net", (16, 15, 1), 4)


def test_a_penalty_of_zero_is_none():
    assert penalty(0) is None
    assert float(penalty(0.5)(np.ones((2, 2)))) == 2.0
    with pytest.raises(InputError, match="l2"):
        penalty(-1)


def test_a_convolution_before_a_norm_has_no_bias_and_may_halve_the_map():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, conv_norm(inputs, 6, "conv", strides=2))
    assert model.output_shape == (None, 4, 4, 6)
    assert not model.get_layer("conv").use_bias
    assert isinstance(model.get_layer("conv_norm"), keras.layers.BatchNormalization)


@pytest.mark.parametrize("side", [6, 7])
def test_a_small_strided_convolution_is_one_of_every_other_position(side, rng):
    inputs = keras.Input((side, side, 3))
    model = keras.Model(inputs, conv_norm(inputs, 5, "conv", size=1, strides=2))
    kernel, images = rng.normal(size=(1, 1, 3, 5)), rng.random((4, side, side, 3))
    model.get_layer("conv").set_weights([kernel])
    wanted = images[:, ::2, ::2] @ kernel[0, 0] / np.sqrt(1 + 1e-3)  # the norm's mean is 0 and its variance 1
    np.testing.assert_allclose(model(images), wanted, rtol=1e-5, atol=1e-6)


def test_every_model_ends_in_scores_and_probabilities(rng):
    inputs = keras.Input((5,))
    model = keras.Model(inputs, classifier(inputs, 3, dropout=0.5, l2=0.1))
    assert [layer.name for layer in model.layers[-3:]] == ["dropout", "scores", "probabilities"]
    np.testing.assert_allclose(model.predict_on_batch(rng.random((4, 5))).sum(axis=1), 1, rtol=1e-6)
    assert len(model.losses) == 1
    with pytest.raises(InputError, match="dropout"):
        classifier(inputs, 3, dropout=1.0)
