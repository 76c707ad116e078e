"""Metrics of a second output: agreement of continuous values with the truth, such as valence, arousal, action units."""

from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from ..common.checks import InputError
from ..emotions import SecondOutput


def concordance(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Concordance correlation coefficient (Lin 1989): 2 s_xy / (s_x² + s_y² + (x̄ − ȳ)²), with variances over N.

    It is 1 only if all values are equal. A correlation forgives a wrong scale and a wrong mean, this one does not.

    Args:
        y_true, y_pred: float [N].
    Returns: float, -1..1; NaN if both are constant and equal.
    """
    y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
    covariance = np.mean((y_true - y_true.mean()) * (y_pred - y_pred.mean()))
    bottom = y_true.var() + y_pred.var() + (y_true.mean() - y_pred.mean()) ** 2
    return float(2 * covariance / bottom) if bottom > 0 else float("nan")


def rmse(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Root of the mean squared error, in the unit of the values; float [N] each, at least 0."""
    return float(np.sqrt(np.mean((np.asarray(y_true, float) - np.asarray(y_pred, float)) ** 2)))


def icc_3_1(ratings: np.ndarray) -> float:
    """ICC(3,1), the intraclass correlation of fixed raters (Shrout & Fleiss 1979): (BMS − EMS) / (BMS + (k − 1) EMS).

    BMS and EMS are the mean squares between targets and of the residual in a two-way analysis of variance. A rater who
    is always higher by the same amount agrees fully.

    Args:
        ratings: float [N, k], N targets rated by k raters; both at least 2.
    Returns: float, -1/(k − 1)..1; NaN if nothing varies.
    Raises: `InputError` for another shape.
    """
    ratings = np.asarray(ratings, float)
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise InputError(f"ratings: must be [targets, raters], at least 2 of each; received shape {ratings.shape}")
    targets, raters = ratings.shape
    of_targets, of_raters = ratings.mean(axis=1, keepdims=True), ratings.mean(axis=0, keepdims=True)
    between = raters * np.sum((of_targets - ratings.mean()) ** 2) / (targets - 1)
    residual = np.sum((ratings - of_targets - of_raters + ratings.mean()) ** 2) / ((targets - 1) * (raters - 1))
    bottom = between + (raters - 1) * residual
    return float((between - residual) / bottom) if bottom > 0 else float("nan")


def second_metrics(y_true: np.ndarray, y_pred: np.ndarray, second: SecondOutput) -> dict[str, Any]:
    """All metrics of a second output on one set of images.

    Args:
        y_true: float [N, K], NaN where the truth is unknown; these images are left out for this value.
        y_pred: float [N, K].
        second: kind and names of the K values.
    Returns: dict of JSON values: kind, per_value {name: n (known images) and the metrics}, mean {metric: mean over the
        values that have it}. Metrics of valence and arousal: ccc, rmse, correlation (Pearson's). Of action units: f1
        (present from `second.present` on, in truth and answer), icc (ICC(3,1) of truth and answer), rmse and present
        (share of images). A metric that is undefined is None, such as the F1 of a unit that no truth and no answer has.
    Raises: `InputError` for arrays that do not fit.
    """
    y_true, y_pred = np.asarray(y_true, float), np.asarray(y_pred, float)
    if y_true.shape != y_pred.shape or y_true.ndim != 2 or y_true.shape[1] != len(second.names):
        raise InputError(
            f"y_true, y_pred: must both be [images, {len(second.names)}]; received {y_true.shape} and {y_pred.shape}"
        )
    per_value = {}
    for name, truth, answer in zip(second.names, y_true.T, y_pred.T, strict=True):
        is_known = ~np.isnan(truth)
        per_value[name] = _metrics_of(truth[is_known], answer[is_known], second)
    keys = [key for key in next(iter(per_value.values())) if key not in ("n", "present")]
    found = {key: [row[key] for row in per_value.values() if row[key] is not None] for key in keys}
    mean = {key: float(np.mean(values)) if values else None for key, values in found.items()}
    return {"kind": second.kind, "per_value": per_value, "mean": mean}


def _metrics_of(truth, answer, second):
    """The metrics of one value over the images with a known truth."""
    is_present, says_present = truth >= second.present, answer >= second.present
    metrics = {"rmse": lambda: rmse(truth, answer)}
    if second.kind == "valence_arousal":
        metrics = {"ccc": lambda: concordance(truth, answer), **metrics, "correlation": lambda: _pearson(truth, answer)}
    else:
        metrics = {
            "f1": lambda: f1_score(is_present, says_present, zero_division=np.nan),
            "icc": lambda: icc_3_1(np.stack([truth, answer], axis=1)),
            **metrics,
            "present": lambda: is_present.mean(),
        }
    return {"n": len(truth), **{key: _defined(metric) if len(truth) > 1 else None for key, metric in metrics.items()}}


def _pearson(first, second):
    return np.corrcoef(first, second)[0, 1] if first.std() > 0 and second.std() > 0 else np.nan


def _defined(metric):
    value = float(metric())
    return value if np.isfinite(value) else None
