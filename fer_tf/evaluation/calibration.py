"""Calibration: is a model right on 70 % of the images for which its probability is 70 %? (Guo et al. 2017)"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..common.checks import InputError, check_names, check_range, check_whole
from .intervals import wilson
from .metrics import _checked, apply_temperature, expected_calibration_error, log_loss

BINS = 15


def outcomes(predictions: pd.DataFrame, class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Truth and probabilities from the predictions of a run.

    Args:
        predictions: DataFrame with the column truth and one column for each class (`Run.predictions`).
        class_names: C names, in the order of the codes.
    Returns: codes int [N], and probabilities float [N, C].
    Raises: `InputError` if a class has no column, or a truth is not a class.
    """
    class_names = list(class_names)
    check_names("class_names", class_names, set(predictions.columns))
    check_names("truth", set(predictions["truth"]), class_names)
    codes = pd.Categorical(predictions["truth"], class_names).codes.astype(np.int64)
    return codes, predictions[class_names].to_numpy(float)


def reliability(y_true: np.ndarray, y_prob: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """The reliability diagram as a table (Guo et al. 2017).

    The bins are those of `metrics.expected_calibration_error`: they have equal width and include their upper edge.

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], each row sums to one.
        bins: number of bins, at least 1.
    Returns: DataFrame, one row for each bin in ascending order: low, high (limits of the confidence, 0..1), images,
        confidence (mean), accuracy, accuracy_low, accuracy_high (95 % Wilson interval). Values are missing in bins
        without images.
    Raises: `InputError` for arrays that do not fit.
    """
    check_whole("bins", bins, low=1)
    y_true, y_prob = _checked_pair(y_true, y_prob)
    confidence, hit = y_prob.max(axis=1), y_prob.argmax(axis=1) == y_true
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    images = np.bincount(index, minlength=bins)
    hits = np.bincount(index[hit], minlength=bins)
    with np.errstate(invalid="ignore"):
        means = {"confidence": np.bincount(index, confidence, bins) / images, "accuracy": hits / images}
    edges = np.arange(bins + 1) / bins
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": images, **means})
    table[["accuracy_low", "accuracy_high"]] = [wilson(*pair) for pair in zip(hits, images, strict=True)]
    return table


def calibration_table(y_true: np.ndarray, y_prob: np.ndarray, temperature: float, bins: int = BINS) -> pd.DataFrame:
    """The effect of temperature scaling on the probabilities of a test set. Labels and accuracy do not change.

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], each row sums to one.
        temperature: above 0, fitted on validation images with `metrics.fit_temperature`. The metrics of a run contain
            it as metrics["calibration"]["temperature"].
        bins: number of bins of the calibration error.
    Returns: DataFrame, one row before and one after scaling: probabilities, temperature, ECE (0..1), log loss (natural
        logarithm), Brier score (0..2, see `brier_score`), confidence (mean), accuracy.
    Raises: `InputError` for a temperature or arrays that are not allowed.
    """
    check_range("temperature", temperature)
    if temperature <= 0:
        raise InputError(f"temperature: must be above 0; received {temperature!r}")
    y_true, y_prob = _checked_pair(y_true, y_prob)
    rows = [_scores("as they are", 1.0, y_true, y_prob, bins)]
    rows.append(_scores("scaled", float(temperature), y_true, apply_temperature(y_prob, temperature), bins))
    return pd.DataFrame(rows)


def _scores(name, temperature, y_true, y_prob, bins):
    return {
        "probabilities": name,
        "temperature": temperature,
        "ECE": expected_calibration_error(y_true, y_prob, bins),
        "log loss": log_loss(y_true, y_prob),
        "Brier score": brier_score(y_true, y_prob),
        "confidence": float(y_prob.max(axis=1).mean()),
        "accuracy": float((y_prob.argmax(axis=1) == y_true).mean()),
    }


def brier_score(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """Brier score (Brier 1950): mean over images of Σ_c (p_c − y_c)², where y is the one-hot truth.

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], each row sums to one.
    Returns: float, from 0 (certain and right) to 2 (certain and wrong).
    """
    y_true, y_prob = _checked_pair(y_true, y_prob)
    return float(((y_prob - np.eye(y_prob.shape[1])[y_true]) ** 2).sum(axis=1).mean())


def _checked_pair(y_true, y_prob):
    y_prob = np.asarray(y_prob)
    if y_prob.ndim != 2:
        raise InputError(f"y_prob: must be [images, classes]; received {y_prob.shape}")
    return _checked(y_true, y_prob, range(y_prob.shape[1]))
