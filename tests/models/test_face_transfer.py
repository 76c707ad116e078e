"""A face network cut in two: what is folded gives the same, what is frozen stays, what is missing is named."""

import keras
import numpy as np
import pytest
from tiny_nets import small_net, trained_like

from fer_tf.common.checks import InputError
from fer_tf.models import build_model
from fer_tf.models.face_transfer import FROZEN, TRAINED
from fer_tf.training.face_nets import FaceNet


def face_net(rng):
    return FaceNet(trained_like(small_net(), rng), 127.5, 128.0, "f", "small")


def test_cut_or_whole_the_outputs_are_the_same(rng):
    net = face_net(rng)
    whole = build_model("face_transfer", face_net=net)
    cut = build_model("face_transfer", face_net=net, frozen_until="sum")
    cut.get_layer("scores").set_weights(whole.get_layer("scores").get_weights())
    images = rng.integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    np.testing.assert_allclose(cut.predict_on_batch(images), whole.predict_on_batch(images), atol=1e-5)


def test_the_face_net_sees_its_own_range(rng):
    """(pixels − 127.5) / 128 of gray repeated to RGB, at its own size."""
    net = face_net(rng)
    model = build_model("face_transfer", (24, 24, 1), face_net=net)
    images = rng.integers(0, 256, (2, 24, 24, 1), dtype=np.uint8)
    expected = net.trunk.predict_on_batch((np.repeat(images, 3, axis=3).astype(np.float32) - 127.5) / 128)
    inner = keras.Model(model.input, model.get_layer("pool").output)
    np.testing.assert_allclose(inner.predict_on_batch(images), expected.mean(axis=(1, 2)), rtol=1e-4)


def test_training_moves_the_upper_part_alone(rng):
    model = build_model("face_transfer", face_net=face_net(rng), frozen_until="sum", dropout=0.0)
    lower, upper = (model.get_layer(name).get_weights() for name in (FROZEN, TRAINED))
    model.compile("sgd", "categorical_crossentropy", jit_compile=False)
    images = rng.integers(0, 256, (8, 48, 48, 1)).astype(np.float32)
    model.train_on_batch(images, np.eye(7, dtype=np.float32)[np.arange(8) % 7])
    for before, after in zip(lower, model.get_layer(FROZEN).get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    moved = [np.any(one != two) for one, two in zip(upper, model.get_layer(TRAINED).get_weights(), strict=True)]
    assert all(moved)


def test_another_resolution_keeps_the_weights(rng):
    net = face_net(rng)
    model = build_model("face_transfer", face_net=net, resolution=32)
    assert model.get_layer(TRAINED).input_shape == (None, 32, 32, 3)
    for one, two in zip(net.trunk.get_weights(), model.get_layer(TRAINED).get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_cut_that_a_shortcut_goes_around_is_refused(rng):
    with pytest.raises(InputError, match="frozen_until: a path of the face network goes around depthwise"):
        build_model("face_transfer", face_net=face_net(rng), frozen_until="depthwise")


def test_an_unknown_layer_is_named(rng):
    with pytest.raises(InputError, match="frozen_until: allowed are .*conv_relu.*; received 'banana'"):
        build_model("face_transfer", face_net=face_net(rng), frozen_until="banana")


def test_it_computes_in_the_precision_that_is_asked_for(rng):
    """Otherwise a network saved in float32 would stay in float32, and bfloat16 would not speed it up."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = build_model("face_transfer", face_net=face_net(rng), frozen_until="sum")
    finally:
        keras.config.set_dtype_policy(before)
    for part in (FROZEN, TRAINED):
        convolutions = [layer for layer in model.get_layer(part).layers if isinstance(layer, keras.layers.Conv2D)]
        assert {layer.compute_dtype for layer in convolutions} == {"bfloat16"}


def test_residual_scaling_by_a_lambda_layer_can_be_saved(rng, tmp_path):
    """As keras-facenet's network has it; Keras would refuse to load the Lambda."""
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    scaled = keras.layers.Lambda(lambda x, scale: x * scale, arguments={"scale": 0.17}, name="scaling")(x)
    trunk = keras.Model(inputs, keras.layers.add([x, scaled], name="sum"), name="facenet")
    model = build_model("face_transfer", (24, 24, 1), face_net=FaceNet(trunk, 127.5, 127.5, "f", "facenet"))
    images = rng.integers(0, 256, (2, 24, 24, 1), dtype=np.uint8)
    maps = trunk.predict_on_batch((np.repeat(images, 3, axis=3).astype(np.float32) - 127.5) / 127.5)
    pooled = keras.Model(model.input, model.get_layer("pool").output).predict_on_batch(images)
    np.testing.assert_allclose(pooled, maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "m.h5")
    loaded = keras.models.load_model(tmp_path / "m.h5", compile=False)
    np.testing.assert_allclose(loaded.predict_on_batch(images), model.predict_on_batch(images), atol=1e-6)
