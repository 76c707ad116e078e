"""Deep-Emotion and DeepFER."""

import keras
import numpy as np
import pytest
from fixtures import of_kind
from keras import layers

from fer_tf.models import build_model

GRAY, COLOUR = (48, 48, 1), (64, 64, 3)


def test_deep_emotion_sizes_are_computed_from_the_input():
    """640 values enter the localisation net's dense layer at 48 px, 810 features leave (the paper's figure: 90)."""
    model = build_model("deep_emotion", GRAY, 7)
    assert model.get_layer("locate_flatten").output.shape[-1] == 640
    assert model.get_layer("flatten").output.shape[-1] == 810
    filters = {layer.name: layer.filters for layer in of_kind(model, layers.Conv2D)}
    features = {f"conv{index}": 10 for index in (1, 2, 3, 4)}
    assert filters == {"locate_conv1": 8, "locate_conv2": 10, **features}
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [32, 6, 50, 7]
    larger = build_model("deep_emotion", (64, 64, 1), 7)
    assert larger.get_layer("locate_flatten").output.shape[-1] > 640


@pytest.mark.parametrize("pair_relu", [True, False])
def test_deepfer_has_seven_convolutions_pooled_by_twos(pair_relu):
    """Document [3]: "each two except the last one followed by max-pooling layer and rectified linear unit"."""
    model = build_model("deepfer", GRAY, 7, pair_relu=pair_relu)
    kinds = {"Conv2D": "conv", "MaxPooling2D": "pool", "ReLU": "relu"}
    names = [kinds.get(type(layer).__name__) for layer in model.layers if "locate" not in layer.name]
    first = ["conv", "relu"] if pair_relu else ["conv"]
    assert [name for name in names if name] == [*first, "conv", "pool", "relu"] * 3 + ["conv", "relu"]
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [32, 6, 50, 7]


def test_deepfer_warps_the_picture_before_its_features():
    model = build_model("deepfer", GRAY, 7)
    assert model.get_layer("conv1").input is model.get_layer("transformer").output
    assert model.get_layer("locate_conv1").input is model.get_layer("normalise").output


@pytest.mark.parametrize("name", ["deepfer", "deep_emotion"])
def test_l2_is_of_exactly_the_four_dense_layers(name, rng):
    """Document [3], eq. 1: CE + λ‖w_fc‖², w_fc the weights of the last four fully connected layers."""
    model = build_model(name, GRAY, 7, l2=0.01)
    for layer in model.layers:
        layer.set_weights([rng.normal(0, 1, weight.shape) for weight in layer.get_weights()])
    squares = [np.sum(model.get_layer(key).kernel.numpy() ** 2) for key in ("locate_dense", "theta", "dense", "scores")]
    assert len(model.losses) == 4
    assert float(sum(model.losses)) == pytest.approx(0.01 * sum(squares), rel=1e-5)
    assert build_model(name, GRAY, 7).losses == []


def test_l2_reaches_the_loss_that_is_trained(rng):
    model = build_model("cnn", GRAY, 7, width=0.1, l2=0.5)
    model.compile("sgd", "categorical_crossentropy", jit_compile=False)
    faces, targets = rng.integers(0, 256, (4, 48, 48, 1)), np.eye(7, dtype=np.float32)[:4]
    probabilities = model.predict_on_batch(faces)
    plain = -np.log((probabilities * targets).sum(axis=1)).mean()
    penalty = 0.5 * sum(np.sum(model.get_layer(key).kernel.numpy() ** 2) for key in ("dense", "scores"))
    assert float(model.test_on_batch(faces, targets)) == pytest.approx(plain + penalty, rel=1e-4)


@pytest.mark.parametrize("name", ["deepfer", "deep_emotion"])
def test_batch_norm_of_no_document_is_added(name):
    assert not of_kind(build_model(name, GRAY, 7), keras.layers.BatchNormalization)
