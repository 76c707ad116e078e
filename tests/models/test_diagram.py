"""Block diagrams: nothing of a model is lost or counted twice, and the shapes are the model's."""

import keras
import pytest

from fer_tf.models import build_model
from fer_tf.models.diagram import block_diagram, layer_words, model_blocks

SMALL = {"cnn4_se_residual": {"width": 0.25}, "vgg16": {"width": 0.25}, "deepfer": {}, "ran": {"backbone": "cnn"}}


@pytest.mark.parametrize("name", SMALL)
def test_all_weights_are_in_the_blocks(name):
    model = build_model(name, (48, 48, 1), 7, **SMALL[name])
    blocks = model_blocks(model)
    assert sum(block.parameters for block in blocks) == model.count_params()
    assert blocks[0].shape == (48, 48, 1)
    assert blocks[-1].shape == (7,)


def test_a_plain_net_has_a_block_for_each_size():
    inputs = x = keras.Input((32, 32, 1))
    x = keras.layers.Rescaling(1 / 255)(x)
    x = keras.layers.Conv2D(4, 5, padding="same", activation="relu")(x)
    x = keras.layers.Conv2D(8, 3, padding="same")(x)
    x = keras.layers.MaxPooling2D()(x)
    outputs = keras.layers.Dense(7)(keras.layers.GlobalAveragePooling2D()(x))
    blocks = model_blocks(keras.Model(inputs, outputs))
    assert [block.shape for block in blocks] == [(32, 32, 1), (32, 32, 8), (16, 16, 8), (7,)]
    assert list(blocks[1].layers) == ["rescaling", "conv 5×5", "conv 3×3"]
    assert not any(block.side for block in blocks)


def test_shortcuts_are_parallel_paths():
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    x = keras.layers.Add()([keras.layers.Conv2D(4, 3, padding="same")(x), keras.layers.Conv2D(4, 1)(x)])
    [_, block] = model_blocks(keras.Model(inputs, x))
    assert dict(block.layers) == {"conv 3×3": 1, "add": 1}
    assert dict(block.side) == {"conv 3×3": 1, "conv 1×1": 1}


def test_words():
    assert layer_words(keras.layers.DepthwiseConv2D(3)) == "depthwise conv 3×3"
    assert layer_words(keras.layers.ZeroPadding2D()) == ""
    assert layer_words(keras.layers.UpSampling2D()) == "up sampling"
    assert layer_words(keras.layers.AveragePooling2D(1, strides=2)) == "subsampling"
    assert layer_words(keras.layers.AveragePooling2D(2)) == "average pooling"


def test_the_figure_has_every_shape():
    figure = block_diagram(
        {"one": build_model("cnn", (48, 48, 1), 7, width=0.1), "other": build_model("majority", (48, 48, 1), 7)}
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("48×48×1") == 2
    assert texts.count("7") == 2
    assert any(text.startswith("one · ") for text in texts)
