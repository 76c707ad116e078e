"""The small net that ships: its size, its cost, and a head that explains itself."""

import keras
import numpy as np
import pytest

from fer_tf.models import build_model
from fer_tf.models.compact import SHAPES


def multiply_adds(model):
    """Of all convolutions and dense layers for one picture: kernel entries times output positions."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            positions = np.prod(layer.output.shape[1:-1]) if len(layer.output.shape) == 4 else 1
            total += int(np.prod(layer.kernel.shape) * positions)
    return total


@pytest.mark.parametrize(("shape", "millions", "parameters"), [("tapered", 167, 2.37), ("even", 219, 2.3)])
def test_it_is_small_enough_to_ship_and_cheap_enough_to_train(shape, millions, parameters):
    model = build_model("compact", num_classes=8, shape=shape)
    assert multiply_adds(model) / 1e6 == pytest.approx(millions, abs=5)
    assert model.count_params() / 1e6 == pytest.approx(parameters, abs=0.1)
    assert 2 * model.count_params() < 5e6, "bytes in half precision"


@pytest.mark.parametrize("shape", SHAPES)
def test_a_48_px_picture_ends_in_a_map_of_6_by_6(shape):
    """Large enough for a class activation map."""
    model = build_model("compact", shape=shape, width=0.1)
    assert model.get_layer("pool").input.shape[1:3] == (6, 6)
    assert [model.get_layer(f"stage{stage}_sum").output.shape[1] for stage in (1, 2, 3, 4)] == [24, 12, 6, 6]
