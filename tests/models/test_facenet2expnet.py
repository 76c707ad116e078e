"""FaceNet2ExpNet's expression net and its head."""

import keras
import numpy as np
import pytest

from fer_tf.models import build_model
from fer_tf.models.facenet2expnet import EXPRESSION_NET, expression_net
from fer_tf.models.ran import REGION_FEATURES

pytestmark = pytest.mark.usefixtures("untraced")


def test_expression_net_halves_the_side_four_times_and_ends_with_the_face_nets_depth():
    """Five 3×3 convolutions and the 1×1 that matches depth, which `width` does not scale."""
    net = expression_net((48, 48, 1), depth=10, width=0.1)
    kernels = [(layer.kernel_size, layer.filters) for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    assert kernels == [*(((3, 3), filters) for filters in (6, 13, 26, 51, 51)), ((1, 1), 10)]
    assert net.output_shape == (None, 3, 3, 10)
    assert net.name == EXPRESSION_NET
    lowest = net.get_layer("match").output
    assert net.output is lowest, "no activation: the face net's map may be of any sign"


def test_expression_net_has_the_docstrings_figures():
    net = expression_net((48, 48, 1))
    adds = 0
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            adds += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    assert net.count_params() / 1e6 == pytest.approx(4.2, abs=0.05)
    assert adds / 1e6 == pytest.approx(152, abs=1)
    narrow = expression_net((48, 48, 1), width=0.3)
    assert narrow.count_params() / net.count_params() == pytest.approx(0.1, abs=0.03)


def test_the_head_of_stage_2_is_one_dense_layer_of_256():
    model = build_model("facenet2expnet", (48, 48, 1), 8, depth=16)
    dense = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert dense == [256, 8]
    assert model.get_layer("dense").kernel.shape == (3 * 3 * 16, 256)
    combined = build_model("ran_facenet2expnet", (48, 48, 1), 8, depth=16)
    features = combined.get_layer(REGION_FEATURES)
    assert features.output_shape == (None, 256)
    assert features.get_layer(EXPRESSION_NET).output_shape == (None, 3, 3, 16)
