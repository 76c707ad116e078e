"""Metrics against a plain reading of their formulas: macro F1 reported as accuracy is a fault seen in real projects."""

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.evaluation import metrics

NAMES = ("anger", "disgust", "fear", "happiness")


@pytest.fixture
def predictions(rng):
    """500 images, uneven classes, probabilities that are right more often than not."""
    y_true = rng.choice(4, 500, p=[0.5, 0.05, 0.15, 0.3])
    logits = rng.normal(size=(500, 4)) + 1.5 * np.eye(4)[y_true]
    return y_true, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def plain_reading(y_true, y_prob):
    """Precision, recall and F1 a class, image by image."""
    y_pred = [int(np.argmax(row)) for row in y_prob]
    rows = []
    for code in range(4):
        hits = sum(p == code == t for p, t in zip(y_pred, y_true, strict=True))
        precision, recall = hits / max(1, y_pred.count(code)), hits / list(y_true).count(code)
        rows.append((precision, recall, 2 * precision * recall / (precision + recall)))
    return np.array(rows), np.mean([p == t for p, t in zip(y_pred, y_true, strict=True)])


def test_against_a_plain_reading(predictions):
    y_true, y_prob = predictions
    rows, accuracy = plain_reading(y_true, y_prob)
    found = metrics.classification_metrics(y_true, y_prob, NAMES)
    share = np.bincount(y_true) / 500
    assert found["accuracy"] == pytest.approx(accuracy)
    assert found["balanced_accuracy"] == pytest.approx(rows[:, 1].mean())
    for column, key in enumerate(("precision", "recall", "f1")):
        assert found[f"macro_{key}"] == pytest.approx(rows[:, column].mean())
        assert found[f"weighted_{key}"] == pytest.approx(rows[:, column] @ share)
        for code, name in enumerate(NAMES):
            assert found["per_class"][name][key] == pytest.approx(rows[code, column])
    assert found["macro_f1"] != pytest.approx(found["accuracy"])


def test_confusion_rows_are_the_truth():
    found = metrics.classification_metrics([0, 0, 1], np.eye(2)[[1, 0, 1]], ("anger", "fear"), replicates=0)
    assert found["confusion"] == [[1, 1], [0, 1]]
    assert "intervals" not in found


def test_top2_auc_and_log_loss(predictions):
    y_true, y_prob = predictions
    found = metrics.classification_metrics(y_true, y_prob, NAMES, replicates=0)
    second = [t in np.argsort(row)[-2:] for t, row in zip(y_true, y_prob, strict=True)]
    assert found["top2"] == pytest.approx(np.mean(second))
    areas = []
    for code in range(4):
        wins = y_prob[y_true == code, code][:, None] - y_prob[y_true != code, code][None]
        areas.append((wins > 0).mean() + 0.5 * (wins == 0).mean())
    assert found["roc_auc"] == pytest.approx(np.mean(areas))
    assert found["log_loss"] == pytest.approx(np.mean([-np.log(row[t]) for t, row in zip(y_true, y_prob, strict=True)]))


def test_absent_class_is_left_out_of_balanced_accuracy_and_auc():
    found = metrics.classification_metrics([0, 0, 1, 1], np.eye(3)[[0, 0, 1, 0]], ("anger", "fear", "disgust"))
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["per_class"]["disgust"]["support"] == 0
    assert found["roc_auc"] == pytest.approx(0.75)


def test_calibration_error_of_known_predictions():
    """Confidence 0.8 throughout and 6 of 10 right: the gap is 0.2 exactly."""
    y_prob = np.tile([0.8, 0.2], (10, 1))
    assert metrics.expected_calibration_error(np.repeat([0, 1], [6, 4]), y_prob) == pytest.approx(0.2)


def test_temperature_undoes_overconfidence(predictions):
    y_true, y_prob = predictions
    sharp = metrics.apply_temperature(y_prob, 0.25)
    fitted = metrics.fit_temperature(y_true, sharp)
    calibrated = metrics.apply_temperature(sharp, fitted)
    assert fitted > 2
    np.testing.assert_array_equal(calibrated.argmax(axis=1), y_prob.argmax(axis=1))
    assert metrics.log_loss(y_true, calibrated) < metrics.log_loss(y_true, sharp)
    best_on_grid = min(
        metrics.log_loss(y_true, metrics.apply_temperature(sharp, t)) for t in np.geomspace(0.1, 15, 300)
    )
    assert metrics.log_loss(y_true, calibrated) <= best_on_grid + 1e-4


def test_bootstrap_agrees_with_resampling_images(predictions, rng):
    y_true, y_prob = predictions
    y_pred = y_prob.argmax(axis=1)
    found = metrics.classification_metrics(y_true, y_prob, NAMES, replicates=4000)["intervals"]
    hits = (y_pred == y_true)[rng.integers(0, 500, (4000, 500))].mean(axis=1)
    np.testing.assert_allclose(found["accuracy"], np.percentile(hits, [2.5, 97.5]), atol=0.006)
    assert (
        found["macro_f1"][0] < metrics.classification_metrics(y_true, y_prob, NAMES)["macro_f1"] < found["macro_f1"][1]
    )


def test_mcnemar_by_hand():
    """Only the images on which the two differ count: 1 against 9 of them, p = 2 · (C(10,0) + C(10,1)) / 2^10."""
    first, second = np.repeat([True, False, True], [1, 9, 20]), np.repeat([False, True, True], [1, 9, 20])
    test = metrics.mcnemar(first, second)
    assert (test["only_first"], test["only_second"]) == (1, 9)
    assert test["p_value"] == pytest.approx(22 / 1024)
    assert metrics.mcnemar(first, first)["p_value"] == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_prob", "message"),
    [
        ([], np.zeros((0, 2)), "at least one image"),
        ([0, 1], np.eye(3)[:2], r"must be \(2, 2\)"),
        ([0, 2], np.eye(2), r"y_true: must be whole codes 0..1"),
        ([0.0, 1.0], np.eye(2), "y_true: must be whole codes"),
        ([0, 1], [[0.2, 0.2], [0, 1]], "sum to one"),
        ([0, 1], [[np.nan, 1], [0, 1]], "finite"),
    ],
)
def test_wrong_input(y_true, y_prob, message):
    with pytest.raises(InputError, match=message):
        metrics.classification_metrics(y_true, y_prob, ("anger", "fear"))
