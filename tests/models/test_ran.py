"""Region attention networks as models: one shared backbone, the loss they add, what each reading gives."""

import keras
import numpy as np
import pytest
from tiny_nets import CLASSES, SHAPE, SMALL, small

from fer_tf.common.checks import InputError
from fer_tf.layers import RegionBias, RegionCrops, RegionSelfAttention, region_biased_loss
from fer_tf.models import build_model
from fer_tf.models.features import feature_extractor
from fer_tf.models.ran import REGION_FEATURES
from fer_tf.saving import load_model, save_model

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture
def faces(rng):
    return rng.integers(0, 256, (6, *SHAPE), dtype=np.uint8)


def region_features(model, images):
    """F [N, R, D]: the shared extractor over each region by itself."""
    regions = keras.ops.convert_to_numpy(RegionCrops(model.get_layer("crops").crops)(images))
    extractor = model.get_layer(REGION_FEATURES)
    return np.stack([extractor.predict_on_batch(regions[:, index]) for index in range(regions.shape[1])], axis=1)


def probabilities(model, features):
    """Of features [N, D], by the model's own scores."""
    kernel, bias = model.get_layer("scores").get_weights()
    powers = np.exp(features @ kernel + bias)
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def weighted(weights, vectors):
    return (weights[..., None] * vectors).sum(axis=1) / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["ran", "ran_facenet2expnet"])
def test_prediction_is_the_papers_chain_over_regions_seen_one_by_one(faces, name):
    """Crops → shared features → μ, F_m → ν, P → scores, by hand."""
    model = small(name)
    features = region_features(model, faces)
    mu = sigmoid(features @ model.get_layer("self_attention").get_weights()[0])
    pooled = np.repeat(weighted(mu, features)[:, None], 7, axis=1)
    both = np.concatenate([features, pooled], axis=-1)
    nu = sigmoid(both @ model.get_layer("relation_attention").get_weights()[0])
    assert np.ptp(mu) > 1e-3
    expected = probabilities(model, weighted(mu * nu, both))
    np.testing.assert_allclose(model.predict_on_batch(faces), expected, atol=1e-5)


def test_self_attention_alone_gives_the_classifier_the_pooled_face(faces):
    model = small(attention="self")
    features = region_features(model, faces)
    mu = sigmoid(features @ model.get_layer("self_attention").get_weights()[0])
    expected = probabilities(model, weighted(mu, features))
    np.testing.assert_allclose(model.predict_on_batch(faces), expected, atol=1e-5)


def test_without_attention_it_is_the_backbone_on_the_whole_face(faces):
    model = small(attention="none")
    features = model.get_layer(REGION_FEATURES).predict_on_batch(faces)
    np.testing.assert_allclose(model.predict_on_batch(faces), probabilities(model, features), atol=1e-6)
    assert not any(isinstance(layer, RegionCrops | RegionSelfAttention | RegionBias) for layer in model.layers)


@pytest.mark.parametrize(
    ("name", "options"), [("ran", {"attention": "strongest"}), ("ran_facenet2expnet", {"reading": "strongest"})]
)
def test_the_strongest_reading_gives_the_classifier_that_crop_alone(faces, name, options):
    """Document [1]: `example.jpg` is the region with the highest weight value."""
    model = small(name, **options)
    features = region_features(model, faces)
    mu = sigmoid(features @ model.get_layer("self_attention").get_weights()[0])
    chosen = 1 + mu[:, 1:].argmax(axis=1)
    assert len(set(chosen)) > 1, "the test would not see a wrong choice"
    expected = probabilities(model, features[np.arange(len(faces)), chosen])
    np.testing.assert_allclose(model.predict_on_batch(faces), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"), [("ran", {"attention": "strongest"}), ("ran_facenet2expnet", {"reading": "strongest"})]
)
def test_classification_alone_trains_the_weights_of_the_strongest_reading(faces, name, options):
    """The crop itself is chosen in a step that has no gradient: without a way round, nothing would learn to choose."""
    model = small(name, bias_weight=0.0, **options)
    before = model.get_layer("self_attention").get_weights()[0]
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy", jit_compile=False)
    model.train_on_batch(faces, np.eye(CLASSES, dtype=np.float32)[np.arange(6) % CLASSES])
    assert np.abs(model.get_layer("self_attention").get_weights()[0] - before).max() > 1e-6


@pytest.mark.parametrize(("attention", "times"), [("none", 1), ("self", 1), ("relation", 2), ("strongest", 1)])
def test_what_the_classifier_gets(faces, attention, times):
    model = small(attention=attention)
    depth = model.get_layer(REGION_FEATURES).output_shape[-1]
    assert model.get_layer("scores").kernel.shape == (times * depth, CLASSES)
    found = model.predict_on_batch(faces)
    assert found.shape == (6, CLASSES)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("attention", ["self", "relation", "strongest"])
@pytest.mark.parametrize("crops", ["fixed6", "fixed5"])
def test_one_backbone_serves_all_regions(attention, crops):
    """Parameters: the backbone once, q0, q1 and the classifier."""
    model = small(attention=attention, crops=crops)
    backbone = feature_extractor("cnn", SHAPE, "alone", width=0.1)
    depth, doubled = backbone.output_shape[-1], 2 if attention == "relation" else 1
    own = depth + (2 * depth if attention == "relation" else 0) + (doubled * depth + 1) * CLASSES
    watched = sum(
        int(np.prod(w.shape)) for layer in model.layers if isinstance(layer, RegionBias) for w in layer.weights
    )
    assert model.count_params() - watched == backbone.count_params() + own


@pytest.mark.parametrize(
    ("attention", "weight", "margin"),
    [
        ("self", 3.0, 0.5),
        ("strongest", 3.0, 0.5),
        ("relation", 3.0, 0.5),
        ("relation", 1.0, 0.02),
        ("relation", 0.0, 0.5),
    ],
)
def test_a_step_minimises_cross_entropy_and_the_weighted_region_bias(faces, attention, weight, margin):
    """With every attention that has weights: training would not notice that a requested loss is missing."""
    model = small(attention=attention, bias_weight=weight, margin=margin)
    features = region_features(model, faces)
    mu = sigmoid(features @ model.get_layer("self_attention").get_weights()[0])
    biased = float(np.mean([max(0, margin - (max(row[1:]) - row[0])) for row in mu]))
    model(faces.astype(np.float32))
    assert [float(loss) for loss in model.losses] == ([pytest.approx(weight * biased, abs=1e-5)] if weight else [])
    codes = np.arange(6) % CLASSES
    found = model.predict_on_batch(faces)
    entropy = -np.log(found[np.arange(6), codes]).mean()
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy", jit_compile=False)
    loss = float(model.test_on_batch(faces, np.eye(CLASSES, dtype=np.float32)[codes]))
    assert loss == pytest.approx(entropy + weight * biased, abs=1e-5)
    assert biased > 0.01 or margin < 0.1


def test_the_region_bias_alone_trains_the_crops_up(faces):
    """Its gradient reaches q0 through the model: after some steps some crop is ahead by the margin."""
    model = small(attention="relation", margin=0.3, bias_weight=1.0)
    model.compile(
        keras.optimizers.Adam(0.1), lambda y_true, y_pred: 0.0 * keras.ops.sum(y_pred, axis=-1), jit_compile=False
    )
    model.get_layer("self_attention").q0.assign(np.zeros(model.get_layer("self_attention").q0.shape))
    targets = np.eye(CLASSES, dtype=np.float32)[np.arange(6) % CLASSES]
    found = [float(model.train_on_batch(faces, targets)) for _ in range(8)]
    assert found[0] == pytest.approx(0.3, abs=0.01)
    assert found[-1] < 0.2
    assert model.get_layer("region_bias").mean_loss == pytest.approx(np.mean(found), rel=1e-4)


@pytest.mark.parametrize(("name", "options"), [("ran", {"attention": "strongest"}), ("ran_facenet2expnet", {})])
def test_saved_models_predict_the_same(faces, tmp_path, name, options):
    """The other models are saved by the contract of all models."""
    model = small(name, **options)
    expected = model.predict_on_batch(faces)
    for suffix in (".h5", ".keras"):
        save_model(model, tmp_path / f"m{suffix}", ("anger", "disgust", "fear", "happiness"))
        loaded = load_model(tmp_path / f"m{suffix}")
        np.testing.assert_allclose(loaded.predict_on_batch(faces), expected, atol=1e-6, err_msg=suffix)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ran", {"attention": "both"}, "attention: allowed are none, mean, self, relation, strongest; received 'both'"),
        ("ran", {"crops": "six"}, "crops: allowed are fixed6, fixed5, random5; received 'six'"),
        ("ran", {"backbone": "resnet19"}, "backbone: allowed are cnn, cnn4, .*received 'resnet19'"),
        ("ran_facenet2expnet", {"reading": "literal"}, "reading: allowed are combined, strongest; received 'literal'"),
        ("ran_facenet2expnet", {"depth": 0}, "depth: must be a number >= 1; received 0"),
    ],
)
def test_wrong_arguments(name, options, message):
    with pytest.raises(InputError, match=message):
        build_model(name, SHAPE, CLASSES, **{**SMALL[name], **options})


def test_too_small_a_picture_is_refused():
    with pytest.raises(InputError, match="input_shape: facenet2expnet halves the side 4 times"):
        build_model("facenet2expnet", (15, 48, 1), 8)


def test_region_bias_of_the_model_is_the_public_loss(faces):
    """What a reader computes with `fer_tf.losses.region_biased_loss` is what training adds."""
    model = small(margin=0.4)
    mu = keras.Model(model.input, model.get_layer("self_attention").output[0]).predict_on_batch(faces)
    model(faces.astype(np.float32))
    assert float(model.losses[0]) == pytest.approx(float(region_biased_loss(mu, 0.4)), abs=1e-6)
