"""Explanations depend on what a model has learned (Adebayo 2018, model parameter randomisation)."""

import keras
import numpy as np
import pytest
from scipy.stats import rankdata

from fer_tf.explain import explain
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


def with_weights(model, change):
    other = keras.models.clone_model(model)
    other.set_weights([change(weight) for weight in model.get_weights()])
    return other


def rank_correlation(first, second):
    """Mean over pictures of Spearman's, where both have a map."""
    first, second = (np.array([rankdata(item) for item in maps]) for maps in (first, second))
    told = (np.ptp(first, axis=1) > 0) & (np.ptp(second, axis=1) > 0)
    assert told.sum() >= 12
    return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(first[told], second[told], strict=True)])


@pytest.mark.parametrize("method", METHODS)
def test_maps_change_when_the_weights_are_scrambled(trained, method):
    """And hardly with weights that differ by a hundredth: it is not noise that the scrambling is told from."""
    model, faces, labels = trained
    rng = np.random.default_rng(1)
    near = with_weights(model, lambda weight: weight + 0.01 * weight.std() * rng.normal(size=weight.shape))
    scrambled = [with_weights(model, lambda weight: rng.permutation(weight.ravel()).reshape(weight.shape))
                 for _ in range(3)]  # fmt: skip
    maps, near, *scrambled = (
        explain(net, faces, method, labels, **METHODS[method]) for net in (model, near, *scrambled)
    )
    assert rank_correlation(maps, near) > 0.85
    assert np.mean([rank_correlation(maps, other) for other in scrambled]) < 0.4


def test_maps_of_two_classes_differ(trained):
    """What speaks for one class does not speak for the next."""
    model, faces, labels = trained
    first, second = (explain(model, faces, target=(labels + step) % 8) for step in (0, 1))
    assert rank_correlation(first, second) < 0.5
