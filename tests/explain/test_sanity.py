"""Explanations depend on what a model has learned (Adebayo 2018, model parameter randomisation)."""

import keras
import numpy as np
import pytest
from scipy.stats import spearmanr

from fer_tf.common.checks import InputError
from fer_tf.explain import explain, map_similarity, scrambled
from fer_tf.models import build_model

METHODS = {"gradcam": {}, "gradcam++": {}, "integrated_gradients": {"steps": 8}}


@pytest.fixture(scope="module")
def trained(tiny_faces):
    """A small CNN that has learned something of drawn faces, 24 of them and their classes."""
    keras.utils.set_random_seed(0)
    faces, labels = tiny_faces.train.images, np.asarray(tiny_faces.train.labels)
    model = build_model("cnn", (48, 48, 1), 8, width=0.1, dropout=0.0)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", jit_compile=False)
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = rng.integers(0, len(faces), 32)
        model.train_on_batch(faces[rows], labels[rows])
    assert (model.predict_on_batch(faces[:100]).argmax(axis=1) == labels[:100]).mean() > 0.4
    return model, faces[:24], labels[:24]


def rank_correlation(first, second):
    """Mean over pictures of Spearman's, where both have a map."""
    found = map_similarity(first, second)
    assert np.isfinite(found).sum() >= 12
    return np.nanmean(found)


def with_noise(model, share):
    """Weights that differ by this number of their standard deviations."""
    rng, other = np.random.default_rng(1), keras.models.clone_model(model)
    other.set_weights([weight + share * weight.std() * rng.normal(size=weight.shape) for weight in model.get_weights()])
    return other


@pytest.mark.parametrize("method", METHODS)
def test_maps_change_when_the_weights_are_scrambled(trained, method):
    """And hardly with weights that differ by a hundredth: scrambling does more than noise."""
    model, faces, labels = trained
    near, others = with_noise(model, 0.01), [scrambled(model, seed) for seed in range(3)]
    maps, near, *others = (explain(net, faces, method, labels, **METHODS[method]) for net in (model, near, *others))
    assert rank_correlation(maps, near) > 0.85
    assert np.mean([rank_correlation(maps, other) for other in others]) < 0.4


def test_maps_of_two_classes_differ(trained):
    """What supports one class does not support the next."""
    model, faces, labels = trained
    first, second = (explain(model, faces, target=(labels + step) % 8) for step in (0, 1))
    assert rank_correlation(first, second) < 0.5


def test_similarity_is_spearmans_of_each_picture(rng):
    first, second = rng.integers(0, 5, (2, 6, 4, 5)).astype(float)
    first[2] = 1
    found = map_similarity(first, second)
    wanted = [np.nan if row == 2 else spearmanr(first[row].ravel(), second[row].ravel()).statistic for row in range(6)]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    with pytest.raises(InputError, match="must both be"):
        map_similarity(first, second[:5])


def test_scrambling_keeps_the_values_and_the_model(trained):
    model, faces, _ = trained
    before = model.predict_on_batch(faces)
    other = scrambled(model, 1)
    for old, new in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(np.sort(old.ravel()), np.sort(new.ravel()))
    assert np.abs(other.predict_on_batch(faces) - before).max() > 0.1
    np.testing.assert_array_equal(model.predict_on_batch(faces), before)
