"""The concordance loss against Lin's formula, with values that nobody has labelled."""

import keras
import numpy as np
import pytest

from fer_tf.layers import concordance_loss


def numpy_reading(y_true, y_pred, known):
    """Lin 1989: CCC = 2 s_xy / (s_x² + s_y² + (x̄ − ȳ)²) of the known values, column by column; plus their MSE."""
    terms = []
    for truth, answer, is_known in zip(y_true.T, y_pred.T, known.T, strict=True):
        x, y = truth[is_known == 1], answer[is_known == 1]
        if len(x):
            covariance = np.cov(x, y, bias=True)
            ccc = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + (x.mean() - y.mean()) ** 2)
            terms.append(np.mean((x - y) ** 2) + 1 - ccc)
    return np.mean(terms)


@pytest.fixture
def batch(rng):
    y_true, y_pred = rng.uniform(-1, 1, (2, 16, 3))
    known = (rng.random((16, 3)) < 0.7).astype(float)
    return y_true, y_pred, known


def test_is_what_the_formula_says(batch):
    assert float(concordance_loss(*batch)) == pytest.approx(numpy_reading(*batch), rel=1e-5)


def test_an_unlabelled_value_changes_nothing(batch):
    """AffectNet's -2 must not pull valence down."""
    y_true, y_pred, known = batch
    expected = float(concordance_loss(*batch))
    assert float(concordance_loss(np.where(known == 1, y_true, -2), y_pred, known)) == pytest.approx(expected)
    column = np.array([1.0, 1.0, 0.0]) * known
    found = float(concordance_loss(y_true, y_pred, column))
    assert found == pytest.approx(numpy_reading(y_true[:, :2], y_pred[:, :2], known[:, :2]), rel=1e-5)


def test_a_batch_without_any_label_costs_nothing_and_a_perfect_answer_neither(batch):
    y_true, y_pred, known = batch
    assert float(concordance_loss(y_true, y_pred, 0 * known)) == 0
    assert float(concordance_loss(y_true, y_true, known)) == pytest.approx(0, abs=1e-5)
    assert float(concordance_loss(y_true, 0.5 * y_true, known)) > 0.1  # a correlation of 1, on the wrong scale


def test_the_gradient_is_finite_where_a_unit_never_appears():
    """Most action units are absent from most batches: NaN there would end a training."""
    tf = pytest.importorskip("tensorflow")
    answers = tf.Variable(np.full((4, 1), 0.2, np.float32))
    with tf.GradientTape() as tape:
        loss = concordance_loss(keras.ops.zeros((4, 1)), answers, keras.ops.ones((4, 1)))
    gradient = tape.gradient(loss, answers).numpy()
    assert np.isfinite(gradient).all()
    assert (gradient > 0).all()  # down, towards absence
