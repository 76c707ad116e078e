"""ResNet18: its layers, and what its small stem costs."""

import pytest
from fixtures import multiply_adds, of_kind
from keras import layers

from fer_tf.models import build_model

GRAY, COLOUR = (48, 48, 1), (64, 64, 3)


def test_resnet18_has_eighteen_layers_and_its_small_stem_costs_sixteen_times_a_pixel():
    standard, small = build_model("resnet18", COLOUR, 7), build_model("resnet18", GRAY, 7, stem="small")
    main = [layer for layer in of_kind(standard, layers.Conv2D, layers.Dense) if "shortcut" not in layer.name]
    assert len(main) == 18
    assert standard.get_layer("stem_pool").output.shape[1:3] == (16, 16)
    assert small.get_layer("stage1_block2_sum").output.shape[1:3] == (48, 48)
    ratio = (multiply_adds(small) / 48**2) / (multiply_adds(standard) / 64**2)
    assert ratio == pytest.approx(16, rel=0.1)
