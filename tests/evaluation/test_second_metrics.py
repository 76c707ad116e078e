"""Agreement metrics against published figures and plain readings of their formulas."""

import json

import numpy as np
import pytest

from fer_tf.common.checks import InputError
from fer_tf.emotions import VALENCE_AROUSAL, SecondOutput
from fer_tf.evaluation import metrics
from fer_tf.evaluation.second_metrics import concordance, icc_3_1, rmse, second_metrics

# Shrout & Fleiss 1979, table 2: six targets, four judges; their table 4 gives ICC(3,1) = .71.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
UNITS = SecondOutput("action_units", ("AU1", "AU12"), 0.4)


def test_icc_is_the_published_one():
    assert round(icc_3_1(SHROUT_FLEISS), 2) == 0.71


def test_icc_forgives_a_constant_offset_and_concordance_does_not(rng):
    truth = rng.random(30)
    assert icc_3_1(np.stack([truth, truth + 0.3], axis=1)) == pytest.approx(1)
    assert concordance(truth, truth + 0.3) < 0.8
    assert np.isnan(icc_3_1(np.ones((5, 2))))


def test_concordance_is_correlation_times_bias(rng):
    """Lin's other form: CCC = ρ · C_b, C_b = 2 / (v + 1/v + u²), v = s_x/s_y, u = (x̄ − ȳ)/√(s_x s_y)."""
    x = rng.normal(0.1, 0.5, 200)
    y = 0.6 * x + rng.normal(0.2, 0.3, 200)
    v, u = x.std() / y.std(), (x.mean() - y.mean()) / np.sqrt(x.std() * y.std())
    assert concordance(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1] * 2 / (v + 1 / v + u**2))
    assert concordance(x, x) == pytest.approx(1)
    assert concordance(x, -x + 2 * x.mean()) == pytest.approx(-1)
    assert rmse(x, y) == pytest.approx(np.linalg.norm(x - y) / np.sqrt(200))


def test_unknown_values_are_left_out(rng):
    truth, answer = rng.uniform(-1, 1, (2, 50, 2)).astype(np.float32)
    truth[:20, 0] = np.nan
    found = second_metrics(truth, answer, VALENCE_AROUSAL)
    assert [found["per_value"][name]["n"] for name in ("valence", "arousal")] == [30, 50]
    assert found["per_value"]["valence"]["ccc"] == pytest.approx(concordance(truth[20:, 0], answer[20:, 0]))
    assert found["mean"]["rmse"] == pytest.approx(
        np.mean([rmse(truth[20:, 0], answer[20:, 0]), rmse(truth[:, 1], answer[:, 1])])
    )


def test_f1_of_a_unit_is_that_of_its_threshold():
    """Three of five frames show AU1 at 2 of 5 or more; the answers find two of them and one more."""
    truth = np.array([[0.4, 0], [0.6, 0], [1.0, 0], [0.2, 0], [0.0, 0]])
    answer = np.array([[0.5, 0], [0.4, 0], [0.1, 0], [0.7, 0], [0.0, 0]])
    found = second_metrics(truth, answer, UNITS)["per_value"]
    assert found["AU1"]["f1"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert found["AU1"]["present"] == pytest.approx(3 / 5)
    assert found["AU1"]["icc"] == pytest.approx(icc_3_1(np.stack([truth[:, 0], answer[:, 0]], axis=1)))
    assert found["AU12"] == {"n": 5, "f1": None, "icc": None, "rmse": 0, "present": 0}


def test_undefined_metrics_do_not_enter_the_mean_and_the_record_stays_json():
    truth, answer = np.array([[1.0, np.nan], [0.0, np.nan], [1.0, np.nan]]), np.zeros((3, 2))
    found = second_metrics(truth, answer, VALENCE_AROUSAL)
    assert found["per_value"]["arousal"] == {"n": 0, "ccc": None, "rmse": None, "correlation": None}
    assert found["per_value"]["valence"]["correlation"] is None
    assert found["mean"]["rmse"] == found["per_value"]["valence"]["rmse"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"must both be \[images, 2\]; received \(4, 3\) and \(4, 3\)"):
        second_metrics(np.zeros((4, 3)), np.zeros((4, 3)), VALENCE_AROUSAL)
    with pytest.raises(InputError, match="at least 2 of each; received shape"):
        icc_3_1(np.zeros((5, 1)))


def test_they_are_among_the_metrics():
    assert (metrics.concordance, metrics.icc_3_1, metrics.second_metrics) == (concordance, icc_3_1, second_metrics)
