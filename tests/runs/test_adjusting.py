"""Adjusting a model's scores: formulas against NumPy, the choice of the strength, and the changed layer."""

import keras
import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.evaluation.metrics import classification_metrics, expected_calibration_error
from fer_tf.models import build_model
from fer_tf.runs.adjusting import (
    ALLOWED_LOSS,
    STRENGTHS,
    Adjustment,
    adjust_model,
    adjusted_probabilities,
    choose_adjustment,
)

SHARES = (0.7, 0.25, 0.05)


def scores_and_labels(count=4000, seed=0):
    """Scores float [N, 3] that lean to frequent classes and are three times too sure, and the labels."""
    random = np.random.default_rng(seed)
    labels = random.choice(3, count, p=SHARES)
    evidence = random.normal(size=(count, 3)) + 1.2 * np.eye(3)[labels]
    return 3 * (evidence + np.log(SHARES)), labels


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_formula_is_menons_and_guos():
    scores = scores_and_labels(50)[0] / 3  # without probabilities that are clipped
    adjusted = adjusted_probabilities(softmax(scores), Adjustment(0.5, 2.0, SHARES))
    np.testing.assert_allclose(adjusted, softmax((scores - 0.5 * np.log(SHARES)) / 2.0), atol=1e-6)


def test_a_class_without_training_images_gets_no_offset():
    assert Adjustment(1.0, 1.0, (0.5, 0.5, 0.0)).offsets()[2] == 0


def test_rare_classes_are_found_more_often_and_probabilities_mean_what_they_say():
    scores, labels = scores_and_labels()
    before = softmax(scores)
    adjustment = choose_adjustment(labels, before, labels)
    after = adjusted_probabilities(before, adjustment)
    old, new = (classification_metrics(labels, each, ("a", "b", "c"), replicates=0) for each in (before, after))
    assert adjustment.strength > 0
    assert adjustment.shares == pytest.approx(np.bincount(labels) / len(labels))
    assert new["macro_f1"] > old["macro_f1"]
    assert new["per_class"]["c"]["recall"] > old["per_class"]["c"]["recall"]
    assert new["accuracy"] >= old["accuracy"] - ALLOWED_LOSS
    assert expected_calibration_error(labels, after) < 0.5 * expected_calibration_error(labels, before)


def test_no_other_allowed_strength_has_a_higher_macro_f1():
    scores, labels = scores_and_labels(seed=1)
    before = softmax(scores)
    chosen = choose_adjustment(labels, before, labels).strength
    results = {}
    for strength in STRENGTHS:
        picked = (np.log(before) - strength * np.log(np.bincount(labels) / len(labels))).argmax(axis=1)
        f1 = [2 * ((picked == k) & (labels == k)).sum() / ((picked == k).sum() + (labels == k).sum()) for k in range(3)]
        results[strength] = ((picked == labels).mean(), np.mean(f1))
    allowed = {key: f1 for key, (accuracy, f1) in results.items() if accuracy >= results[0.0][0] - ALLOWED_LOSS}
    assert chosen == max(allowed, key=allowed.__getitem__)


def test_the_changed_layer_gives_the_adjusted_probabilities():
    keras.utils.set_random_seed(0)
    model = build_model("compact", (48, 48, 1), 3, width=0.125)
    images = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 1)).astype("float32")
    adjustment = Adjustment(0.75, 0.4, SHARES)
    expected = adjusted_probabilities(model.predict_on_batch(images), adjustment)
    adjust_model(model, adjustment)
    np.testing.assert_allclose(model.predict_on_batch(images), expected, atol=1e-5)


def test_another_end_is_refused():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="answers")(inputs))
    with pytest.raises(InputError, match=r"model: must end with .* probabilities; received .*answers"):
        adjust_model(model, Adjustment(0.0, 1.0, SHARES))
