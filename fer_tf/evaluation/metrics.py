"""Metrics of a classifier on one test set. Functions take arrays and return plain dicts and arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from ..common.checks import InputError
from .second_metrics import concordance as concordance
from .second_metrics import icc_3_1 as icc_3_1
from .second_metrics import rmse as rmse
from .second_metrics import second_metrics as second_metrics

REPLICATES = 1000
_EPSILON = 1e-7


def classification_metrics(
    y_true: np.ndarray, y_prob: np.ndarray, class_names: Sequence[str], replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Any]:
    """All metrics of predictions on one set of images.

    Args:
        y_true: int [N], codes of `class_names`.
        y_prob: float [N, C], each row sums to one.
        class_names: C names.
        replicates: bootstrap replicates for the 95 % intervals; 0 for no intervals.
        seed: seed of the bootstrap.
    Returns: dict of JSON values: n, accuracy, balanced_accuracy, macro_ and weighted_ precision, recall and f1, top2
        (truth is one of the two most likely classes), roc_auc (one against rest, mean over the classes in the set; None
        if undefined), ece, log_loss, confusion (counts, rows are the truth), per_class {name: precision, recall, f1,
        support}, intervals {accuracy, balanced_accuracy, macro_precision, macro_f1: [low, high]}. A class without
        images has recall 0 by convention, and balanced_accuracy leaves it out.
    Raises: `InputError` for arrays that do not fit or are not probabilities.
    """
    y_true, y_prob = _checked(y_true, y_prob, class_names)
    codes = np.arange(len(class_names))
    y_pred = y_prob.argmax(axis=1)
    confusion = confusion_matrix(y_true, y_pred, labels=codes)
    per_class = precision_recall_fscore_support(y_true, y_pred, labels=codes, zero_division=0)
    result: dict[str, Any] = {"n": len(y_true), "accuracy": float((y_pred == y_true).mean())}
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
        raise InputError("y_true: must have at least one image; received none")
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
    """Mean recall over the classes with at least one image."""
    return float(np.mean([(y_pred[y_true == code] == code).mean() for code in np.unique(y_true)]))


def _roc_auc(y_true, y_prob):
    """Mean one-against-rest area under the ROC curve, over classes that have images inside and outside; or None."""
    present = [code for code in range(y_prob.shape[1]) if 0 < (y_true == code).sum() < len(y_true)]
    if not present:
        return None
    return float(np.mean([roc_auc_score(y_true == code, y_prob[:, code]) for code in present]))


def log_loss(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """Mean negative logarithm (natural) of the probability of the truth.

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], each row sums to one; clipped to at least 1e-7.
    Returns: float, at least 0.
    """
    return float(-np.log(np.clip(y_prob[np.arange(len(y_true)), y_true], _EPSILON, 1)).mean())


def expected_calibration_error(y_true: np.ndarray, y_prob: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: mean gap between confidence and accuracy (Guo et al. 2017, eq. 3).

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], each row sums to one.
        bins: number of confidence bins of equal width.
    Returns: float, 0..1; each bin counts by its number of images.
    """
    confidence, hit = y_prob.max(axis=1), y_prob.argmax(axis=1) == y_true
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(index, weights=hit, minlength=bins) - np.bincount(index, weights=confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(y_true))


def fit_temperature(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """The temperature T for which softmax(log p / T) has the lowest log loss (Guo et al. 2017, §4.2).

    Args:
        y_true: int [N], codes of validation images.
        y_prob: float [N, C], each row sums to one.
    Returns: float, 0.05..20.
    """
    solution = minimize_scalar(
        lambda log_t: log_loss(y_true, apply_temperature(y_prob, np.exp(log_t))),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
    )
    return float(np.exp(solution.x))


def apply_temperature(y_prob: np.ndarray, temperature: float) -> np.ndarray:
    """Makes probabilities softer (T > 1) or sharper (T < 1): softmax(log p / T). Labels do not change.

    Args:
        y_prob: float [N, C], each row sums to one.
        temperature: T, above 0.
    Returns: float [N, C], each row sums to one.
    """
    logits = np.log(np.clip(y_prob, _EPSILON, 1)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def bootstrap_intervals(
    confusion: np.ndarray | list[list[int]], replicates: int = REPLICATES, seed: int = 0
) -> dict[str, list[float]]:
    """95 % percentile bootstrap intervals over images.

    A bootstrap replicate draws N images with replacement. Its confusion matrix is one multinomial draw of the cells, so
    one call draws all replicates.

    Args:
        confusion: int [C, C], rows are the truth.
        replicates: number of bootstrap replicates.
        seed: seed of the bootstrap.
    Returns: dict metric -> [low, high] for accuracy, balanced_accuracy, macro_precision and macro_f1.
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


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> dict[str, Any]:
    """McNemar's exact test between two classifiers on the same images.

    Args:
        first_correct, second_correct: bool [N], whether each prediction is right.
    Returns: dict: only_first, only_second (images that only one classifier gets right), p_value (two-sided, binomial).
    Raises: `InputError` if the numbers of images differ.
    """
    first, second = np.asarray(first_correct, bool), np.asarray(second_correct, bool)
    if first.shape != second.shape:
        raise InputError(
            f"second_correct: both models must have the same images; received {len(first)} and {len(second)}"
        )
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    disagreements = only_first + only_second
    p_value = binomtest(only_first, disagreements).pvalue if disagreements else 1.0
    return {"only_first": only_first, "only_second": only_second, "p_value": float(p_value)}


def holm(p_values: ArrayLike) -> np.ndarray:
    """P values corrected for the number of tests by Holm's step-down method (Holm 1979).

    The smallest of m p values is multiplied by m, the next one by m − 1, and so on. No value becomes smaller than the
    one before it or larger than 1. The chance of at least one false alarm stays below the level of the test, even if
    the tests depend on each other.

    Args:
        p_values: float [m], 0..1.
    Returns: float [m], in the same order.
    Raises: `InputError` for other values or shapes.
    """
    p_values = np.asarray(p_values, float)
    if p_values.ndim != 1 or not ((p_values >= 0) & (p_values <= 1)).all():
        raise InputError("p_values: must be a one-dimensional array of numbers from 0 to 1")
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    return np.minimum(adjusted, 1)


def holm_of_made(p_values: ArrayLike) -> np.ndarray:
    """`holm` for the tests that were made: missing p values (NaN) stay missing and do not count.

    Args:
        p_values: float [m], 0..1 or NaN.
    Returns: float [m], in the same order.
    """
    p_values = np.asarray(p_values, float)
    is_made = ~np.isnan(p_values)
    adjusted = np.full(len(p_values), np.nan)
    adjusted[is_made] = holm(p_values[is_made])
    return adjusted


def without_copies(
    y_true: np.ndarray, y_prob: np.ndarray, class_names: Sequence[str], copies: pd.DataFrame
) -> dict[str, Any]:
    """Metrics without test images whose exact copies are also in train or val.

    Args:
        y_true, y_prob, class_names: see `classification_metrics`.
        copies: DataFrame, one row for each test image, with the bool columns in_train and in_val.
    Returns: dict: in_train, in_val, in_either (numbers of copies), n, accuracy, macro_f1, intervals. If all images are
        copies, n is 0 and the metrics are missing.
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
