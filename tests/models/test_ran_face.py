"""Region attention over a face network: one cut network for all regions, and what reaches the classifier."""

import keras
import numpy as np
import pytest
from tiny_nets import small_net, trained_like

from fer_tf.common.checks import InputError
from fer_tf.explain import region_weights
from fer_tf.layers import RegionCrops
from fer_tf.models import build_model
from fer_tf.models.face_transfer import FROZEN, TRAINED
from fer_tf.models.ran import REGION_FEATURES
from fer_tf.saving import load_model, save_model
from fer_tf.training.face_nets import FaceNet

# TensorFlow says of steps that are not traced (`untraced`) that its pipelines still are
pytestmark = [
    pytest.mark.filterwarnings("ignore:Even though the .tf.config.experimental_run_functions_eagerly"),
    pytest.mark.usefixtures("untraced"),
]
SHAPE = (24, 24, 1)


@pytest.fixture
def face_net(rng):
    return FaceNet(trained_like(small_net(), rng), 127.5, 128.0, "f", "small")


@pytest.fixture
def faces(rng):
    return rng.integers(0, 256, (5, *SHAPE), dtype=np.uint8)


def ran_face(face_net, **options):
    keras.utils.set_random_seed(0)
    return build_model("ran_face", SHAPE, 4, face_net=face_net, frozen_until="sum", **options)


def numpy_chain(model, features):
    """Wang et al. 2020, eq. 1-6, from the features of the regions [N, R, D]."""
    q0, q1 = (model.get_layer(f"{kind}_attention").get_weights()[0] for kind in ("self", "relation"))
    mu = 1 / (1 + np.exp(-(features @ q0)))
    pooled = (mu[..., None] * features).sum(axis=1) / mu.sum(axis=1, keepdims=True)
    both = np.concatenate([features, np.repeat(pooled[:, None], features.shape[1], axis=1)], axis=-1)
    weights = mu / (1 + np.exp(-(both @ q1)))
    return (weights[..., None] * both).sum(axis=1) / weights.sum(axis=1, keepdims=True)


def test_every_region_goes_through_the_face_network_at_its_range(face_net, faces):
    """(pixels − 127.5) / 128 of each crop, gray repeated to RGB; its map's mean is F_i, then the paper's equations."""
    model = ran_face(face_net)
    regions = keras.ops.convert_to_numpy(RegionCrops("fixed6")(faces))
    maps = [
        face_net.trunk.predict_on_batch((np.repeat(regions[:, index], 3, axis=3).astype(np.float32) - 127.5) / 128)
        for index in range(regions.shape[1])
    ]
    features = np.stack([found.mean(axis=(1, 2)) for found in maps], axis=1)
    inner = keras.Model(model.input, model.get_layer("dropout").input)
    np.testing.assert_allclose(inner.predict_on_batch(faces), numpy_chain(model, features), rtol=1e-3, atol=1e-3)


def test_without_attention_it_is_face_transfer(face_net, faces):
    alone = ran_face(face_net, attention="none")
    plain = build_model("face_transfer", SHAPE, 4, face_net=face_net, frozen_until="sum")
    plain.get_layer("scores").set_weights(alone.get_layer("scores").get_weights())
    np.testing.assert_allclose(alone.predict_on_batch(faces), plain.predict_on_batch(faces), atol=1e-5)


def test_training_moves_attention_and_the_upper_part_alone(face_net, faces):
    model = ran_face(face_net, dropout=0.0)
    parts = [model.get_layer(REGION_FEATURES).get_layer(name) for name in (FROZEN, TRAINED)]
    attention = model.get_layer("self_attention")
    before = [part.get_weights() for part in (*parts, attention)]
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", jit_compile=False)
    model.train_on_batch(faces, np.eye(4, dtype=np.float32)[np.arange(5) % 4])
    moved = [
        any(np.any(one != two) for one, two in zip(old, part.get_weights(), strict=True))
        for old, part in zip(before, (*parts, attention), strict=True)
    ]
    assert moved == [False, True, True]


def test_a_saved_file_gives_the_same_answers_and_region_weights(face_net, faces, tmp_path):
    model = ran_face(face_net)
    save_model(model, tmp_path / "m.h5", ("anger", "disgust", "fear", "happiness"), {"run": "x"})
    loaded = load_model(tmp_path / "m.h5")
    np.testing.assert_allclose(loaded.predict_on_batch(faces), model.predict_on_batch(faces), atol=1e-6)
    weights = region_weights(loaded, faces)
    assert weights.shape == (5, 7)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights, region_weights(model, faces), atol=1e-6)


def test_equal_weights_learn_nothing_of_the_regions(face_net):
    names = {layer.name for layer in ran_face(face_net, attention="mean").layers}
    assert "region_mean" in names
    assert not names & {"self_attention", "relation_attention"}


def test_an_unknown_layer_is_named(face_net):
    with pytest.raises(InputError, match="frozen_until: allowed are .*conv_relu.*; received 'banana'"):
        build_model("ran_face", SHAPE, 4, face_net=face_net, frozen_until="banana")
