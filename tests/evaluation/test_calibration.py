"""Reliability against counting image by image; the table, the error and the scaling tell one story."""

import numpy as np
import pandas as pd
import pytest

from fer_tf.common.checks import InputError
from fer_tf.evaluation import calibration, metrics

NAMES = ["anger", "disgust", "fear"]


@pytest.fixture
def overconfident(rng):
    """600 images, right in about half, by a model that is surer than that."""
    y_true = rng.integers(0, 3, 600)
    logits = 2.5 * (rng.normal(size=(600, 3)) + 0.8 * np.eye(3)[y_true])
    return y_true, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_bins_are_counted_image_by_image(overconfident, bins):
    y_true, y_prob = overconfident
    table = calibration.reliability(y_true, y_prob, bins)
    assert list(table.columns) == ["low", "high", "images", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    assert len(table) == bins
    assert table["images"].sum() == 600
    sure = np.array([max(row) for row in y_prob])
    for row in table.itertuples():
        inside = [i for i in range(600) if row.low < sure[i] <= row.high]
        assert row.images == len(inside)
        if inside:
            right = [int(np.argmax(y_prob[i])) == y_true[i] for i in inside]
            assert row.accuracy == pytest.approx(np.mean(right))
            assert row.confidence == pytest.approx(sure[inside].mean())
            assert row.accuracy_low <= row.accuracy <= row.accuracy_high
        else:
            assert np.isnan([row.accuracy, row.confidence, row.accuracy_low, row.accuracy_high]).all()


@pytest.mark.parametrize("bins", [5, 15])
def test_the_calibration_error_is_in_the_table(overconfident, bins):
    table = calibration.reliability(*overconfident, bins)
    error = (table["images"] * (table["accuracy"] - table["confidence"]).abs()).sum() / 600
    assert error == pytest.approx(metrics.expected_calibration_error(*overconfident, bins), abs=1e-12)


def test_an_upper_edge_belongs_to_its_bin_and_certainty_to_the_last():
    table = calibration.reliability([0, 0, 1], np.array([[0.5, 0.5], [1, 0], [0.25, 0.75]]), bins=4)
    assert list(table["images"]) == [0, 1, 1, 1]


def test_wilson_interval_by_hand():
    """Wilson (1927): 8 of 10 at z = 1.96 is 0.4902 to 0.9433."""
    table = calibration.reliability(np.repeat([0, 1], [8, 2]), np.tile([0.8, 0.2], (10, 1)), bins=1)
    assert table.loc[0, ["accuracy_low", "accuracy_high"]].tolist() == pytest.approx([0.4902, 0.9433], abs=1e-4)


def test_scaling_by_the_fitted_temperature_mends_overconfidence(overconfident, rng):
    y_true, y_prob = overconfident
    is_val = rng.random(600) < 0.5
    temperature = metrics.fit_temperature(y_true[is_val], y_prob[is_val])
    table = calibration.calibration_table(y_true[~is_val], y_prob[~is_val], temperature)
    before, after = table.iloc[0], table.iloc[1]
    assert before["temperature"] == 1
    assert after["temperature"] == temperature > 1
    for column in ("ECE", "log loss", "Brier score", "confidence"):
        assert after[column] < before[column], column
    assert before["accuracy"] == after["accuracy"]
    assert before["ECE"] == metrics.expected_calibration_error(y_true[~is_val], y_prob[~is_val])
    assert before["log loss"] == metrics.log_loss(y_true[~is_val], y_prob[~is_val])


def test_a_temperature_of_one_changes_nothing(overconfident):
    table = calibration.calibration_table(*overconfident, 1.0).drop(columns="probabilities")
    np.testing.assert_allclose(table.iloc[0].astype(float), table.iloc[1].astype(float), atol=1e-5)


def test_brier_score_by_hand():
    """(0.3² + 0.2² + 0.1²) and (0.8² + 0.6² + 0.2²), halved; sure and wrong is 2."""
    assert calibration.brier_score([0, 1], [[0.7, 0.2, 0.1], [0.2, 0.4, 0.4]]) == pytest.approx((0.14 + 0.56) / 2)
    assert calibration.brier_score([0], [[0.0, 1.0]]) == 2


def test_outcomes_of_a_runs_predictions():
    frame = pd.DataFrame(
        {
            "name": ["a", "b"],
            "truth": ["fear", "anger"],
            "label": ["fear", "fear"],
            "anger": [0.1, 0.4],
            "disgust": [0.2, 0.1],
            "fear": [0.7, 0.5],
        }
    )
    y_true, y_prob = calibration.outcomes(frame, NAMES)
    assert list(y_true) == [2, 0]
    np.testing.assert_array_equal(y_prob, [[0.1, 0.2, 0.7], [0.4, 0.1, 0.5]])
    with pytest.raises(InputError, match="class_names: unknown 'neutral'"):
        calibration.outcomes(frame, ["anger", "fear", "neutral"])
    with pytest.raises(InputError, match="truth: unknown 'fear'; allowed are anger, disgust"):
        calibration.outcomes(frame, ["anger", "disgust"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.reliability([0], [[0.5, 0.5]], bins=0), "bins: must be a number >= 1"),
        (lambda: calibration.reliability([0], [0.5, 0.5]), "y_prob: must be .images, classes.; received .2,."),
        (lambda: calibration.reliability([2], [[0.5, 0.5]]), "y_true: must be whole codes 0..1"),
        (lambda: calibration.reliability([], np.zeros((0, 2))), "at least one image"),
        (lambda: calibration.calibration_table([0], [[0.5, 0.5]], 0.0), "temperature: must be above 0; received 0.0"),
        (lambda: calibration.calibration_table([0], [[0.5, 0.5]], "1"), "temperature: must be a number"),
        (lambda: calibration.brier_score([0], [[0.5, 0.9]]), "sum to one"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
