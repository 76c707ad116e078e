"""VGG with batch norm: four blocks of two convolutions, and a map that is averaged before the scores."""

import keras
import pytest

from fer_tf.common.checks import InputError
from fer_tf.explain import cut_at_last_map
from fer_tf.models import build_model


def test_blocks_halve_the_map_and_double_the_channels():
    model = build_model("vgg_bn", (48, 48, 1), 7, width=0.125)
    maps = [layer.output.shape[1:] for layer in model.layers if layer.name.endswith("conv2_relu")]
    assert maps == [(48, 48, 8), (24, 24, 16), (12, 12, 32), (6, 6, 64)]
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.25, 0.25, 0.25, 0.5]


def test_its_class_activation_maps_are_exact():
    assert cut_at_last_map(build_model("vgg_bn", (32, 32, 1), 7, width=0.1)).is_averaged


def test_too_small_a_picture_is_refused():
    with pytest.raises(InputError, match="vgg_bn halves the side 4 times"):
        build_model("vgg_bn", (15, 48, 1), 7)
