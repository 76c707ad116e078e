"""Metrics of a classifier on one test set: arrays in, plain dicts and arrays out."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from ..common.checks import InputError

REPLICATES = 1000
_EPSILON = 1e-7


def classification_metrics(y_true, y_prob, class_names, replicates=REPLICATES, seed=0):
    """Everything the kit reports about predictions on one set.

    Args:
        y_true: int [N], codes into class_names.
        y_prob: float [N, C], rows sum to one.
        class_names: C names.
        replicates: bootstrap replicates for the 95 % intervals; 0 for none.
        seed: of the bootstrap.
    Returns: dict of JSON values: n, accuracy, balanced_accuracy, macro_ and weighted_ precision, recall and f1,
        top2 (truth among the two likeliest), roc_auc (one against rest, macro over classes present; None where
        undefined), ece, log_loss, confusion (counts, rows are the truth), per_class {name: precision, recall, f1,
        support}, intervals {accuracy, balanced_accuracy, macro_precision, macro_f1: [low, high]}. A class without an
        image has recall 0 by convention and is left out of balanced_accuracy.
    """
    y_true, y_prob = _checked(y_true, y_prob, class_names)
    codes = np.arange(len(class_names))
    y_pred = y_prob.argmax(axis=1)
    confusion = confusion_matrix(y_true, y_pred, labels=codes)
    per_class = precision_recall_fscore_support(y_true, y_pred, labels=codes, zero_division=0)
    result = {"n": len(y_true), "accuracy": float((y_pred == y_true).mean())}
    result["balanced_accuracy"] = _balanced_accuracy(y_true, y_pred)
    for average in ("macro", "weighted"):
        scores = precision_recall_fscore_support(y_true, y_pred, labels=codes, average=average, zero_division=0)
        result |= {
            f"{average}_{key}": float(value)
            for key, value in zip(("precision", "recall", "f1"), scores[:3], strict=True)
        }
    result["top2"] = float((np.argsort(-y_prob, axis=1)[:, :2] == y_true[:, None]).any(axis=1).mean())
    result["roc_auc"] = _roc_auc(y_true, y_prob)
    result["ece"] = expected_calibration_error(y_true, y_prob)
    result["log_loss"] = log_loss(y_true, y_prob)
    result["confusion"] = confusion.tolist()
    keys = ("precision", "recall", "f1", "support")
    result["per_class"] = {
        name: {key: float(values[code]) for key, values in zip(keys, per_class, strict=True)}
        for code, name in enumerate(class_names)
    }
    if replicates:
        result["intervals"] = bootstrap_intervals(confusion, replicates, seed)
    return result


def _checked(y_true, y_prob, class_names):
    y_true, y_prob = np.asarray(y_true), np.asarray(y_prob, np.float64)
    if len(y_true) == 0:
        raise InputError("y_true: there is no image to evaluate")
    if y_prob.shape != (len(y_true), len(class_names)):
        raise InputError(
            f"y_prob: must be {(len(y_true), len(class_names))} (images, classes); received {y_prob.shape}"
        )
    if not np.issubdtype(y_true.dtype, np.integer) or y_true.min() < 0 or y_true.max() >= len(class_names):
        raise InputError(f"y_true: must be whole codes 0..{len(class_names) - 1}")
    if not np.isfinite(y_prob).all() or y_prob.min() < -1e-6 or np.abs(y_prob.sum(axis=1) - 1).max() > 1e-3:
        raise InputError("y_prob: rows must be finite, not negative and sum to one")
    return y_true, y_prob


def _balanced_accuracy(y_true, y_pred):
    """Mean recall over the classes that have an image."""
    return float(np.mean([(y_pred[y_true == code] == code).mean() for code in np.unique(y_true)]))


def _roc_auc(y_true, y_prob):
    """Macro one-against-rest area under the ROC curve over the classes with both kinds of image, or None."""
    present = [code for code in range(y_prob.shape[1]) if 0 < (y_true == code).sum() < len(y_true)]
    if not present:
        return None
    return float(np.mean([roc_auc_score(y_true == code, y_prob[:, code]) for code in present]))


def log_loss(y_true, y_prob):
    """Mean negative log probability of the truth (natural logarithm)."""
    return float(-np.log(np.clip(y_prob[np.arange(len(y_true)), y_true], _EPSILON, 1)).mean())


def expected_calibration_error(y_true, y_prob, bins=15):
    """Mean gap between confidence and accuracy over equal-width confidence bins (Guo et al. 2017, eq. 3), 0..1."""
    confidence, hit = y_prob.max(axis=1), y_prob.argmax(axis=1) == y_true
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=hit, minlength=bins) - np.bincount(index, weights=confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(y_true))


def fit_temperature(y_true, y_prob):
    """The temperature T that makes softmax(log p / T) best calibrated on these images (Guo et al. 2017, §4.2).

    To be fitted on validation images. Returns: float in 0.05..20.
    """
    solution = minimize_scalar(
        lambda log_t: log_loss(y_true, apply_temperature(y_prob, np.exp(log_t))),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
    )
    return float(np.exp(solution.x))


def apply_temperature(y_prob, temperature):
    """Probabilities softened (T > 1) or sharpened (T < 1): softmax(log p / T), float [N, C]; labels stay."""
    logits = np.log(np.clip(y_prob, _EPSILON, 1)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def bootstrap_intervals(confusion, replicates=REPLICATES, seed=0):
    """95 % percentile bootstrap intervals over images.

    Drawing N images with replacement and counting their confusion matrix is one multinomial draw of its cells, so a
    thousand replicates are one call.

    Args:
        confusion: int [C, C], rows are the truth.
    Returns: dict metric -> [low, high] for accuracy, balanced_accuracy, macro_precision, macro_f1.
    """
    confusion = np.asarray(confusion)
    total, classes = confusion.sum(), len(confusion)
    draws = np.random.default_rng(seed).multinomial(total, confusion.ravel() / total, size=replicates)
    draws = draws.reshape(replicates, classes, classes)
    hits = draws.diagonal(axis1=1, axis2=2)
    support, predicted = draws.sum(axis=2), draws.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        balanced = np.nanmean(np.where(support > 0, hits / support, np.nan), axis=1)
        precision = np.nan_to_num(hits / predicted).mean(axis=1)
        f1 = np.nan_to_num(2 * hits / (support + predicted)).mean(axis=1)
    samples = {
        "accuracy": hits.sum(axis=1) / total,
        "balanced_accuracy": balanced,
        "macro_precision": precision,
        "macro_f1": f1,
    }
    return {key: [float(bound) for bound in np.percentile(values, [2.5, 97.5])] for key, values in samples.items()}


def mcnemar(first_correct, second_correct):
    """Exact McNemar test between two classifiers on the same images.

    Args:
        first_correct, second_correct: bool [N].
    Returns: dict: only_first, only_second (images only one gets right), p_value (two-sided, binomial).
    """
    first, second = np.asarray(first_correct, bool), np.asarray(second_correct, bool)
    if first.shape != second.shape:
        raise InputError(
            f"second_correct: both models must see the same images; received {len(first)} and {len(second)}"
        )
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    disagreements = only_first + only_second
    p_value = binomtest(only_first, disagreements).pvalue if disagreements else 1.0
    return {"only_first": only_first, "only_second": only_second, "p_value": float(p_value)}


def holm(p_values):
    """P values adjusted for their number by Holm's step-down method (Holm 1979): the smallest of m times m, the next
    times m − 1, ..., none below the one before it, none above 1. The chance of one false alarm or more is kept,
    whatever the dependence between the tests.

    Args:
        p_values: float [m], 0..1.
    Returns: float [m], in the same order.
    """
    p_values = np.asarray(p_values, float)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise InputError("p_values: must be numbers from 0 to 1 in a row")
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    return np.minimum(adjusted, 1)


def holm_of_made(p_values: np.ndarray) -> np.ndarray:
    """`holm` of the tests that were made: a missing p (NaN) stays missing and does not count.

    Args:
        p_values: float [m], 0..1 or NaN.
    Returns: float [m], in the same order.
    """
    p_values = np.asarray(p_values, float)
    is_made = ~np.isnan(p_values)
    adjusted = np.full(len(p_values), np.nan)
    adjusted[is_made] = holm(p_values[is_made])
    return adjusted


pass


def without_copies(y_true, y_prob, class_names, copies):
    """Metrics without the test images that also stand in train or val, pixel for pixel.

    Args:
        y_true, y_prob, class_names: as in `classification_metrics`.
        copies: DataFrame, one row a test image: bool in_train, in_val.
    Returns: dict: in_train, in_val, in_either (counts), n, accuracy, macro_f1, intervals.
    """
    either = (copies["in_train"] | copies["in_val"]).to_numpy()
    counts = {
        "in_train": int(copies["in_train"].sum()),
        "in_val": int(copies["in_val"].sum()),
        "in_either": int(either.sum()),
    }
    if either.all():
        return {**counts, "n": 0}
    result = classification_metrics(y_true[~either], y_prob[~either], class_names)
    return {**counts, **{key: result[key] for key in ("n", "accuracy", "macro_f1", "intervals")}}
