"""Are probabilities honest: of the images a model is 70 % sure of, are 70 % right? (Guo et al. 2017)"""

import numpy as np
import pandas as pd

from ..common.checks import InputError, check_names, check_range, check_whole
from .metrics import _checked, apply_temperature, expected_calibration_error, log_loss
from .significance import wilson

BINS = 15


def outcomes(predictions, class_names):
    """Truth and probabilities out of a run's predictions.

    Args:
        predictions: DataFrame with columns truth and one a class (`Run.predictions`).
        class_names: C names, in the order of the codes.
    Returns: int [N], float [N, C].
    """
    class_names = list(class_names)
    check_names("class_names", class_names, set(predictions))
    check_names("truth", set(predictions["truth"]), class_names)
    codes = pd.Categorical(predictions["truth"], class_names).codes.astype(np.int64)
    return codes, predictions[class_names].to_numpy(float)


def reliability(y_true, y_prob, bins=BINS):
    """The reliability diagram as a table. Bins are those of `metrics.expected_calibration_error`: of equal width, an
    upper edge belongs to its bin. The error is the mean of |accuracy − confidence| over all images.

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], rows sum to one.
        bins: how many.
    Returns: DataFrame, a row a bin, rising: low, high (of the confidence, 0..1), images, confidence (their mean),
        accuracy, accuracy_low, accuracy_high (95 % Wilson interval); missing where a bin has no image.
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


def calibration_table(y_true, y_prob, temperature, bins=BINS):
    """What temperature scaling does to the probabilities of a test set; labels and accuracy stay as they are.

    Args:
        y_true: int [N], codes.
        y_prob: float [N, C], rows sum to one.
        temperature: fitted on validation images (`metrics.fit_temperature`; a run has it in
            metrics["calibration"]["temperature"]).
        bins: of the calibration error.
    Returns: DataFrame, rows before and after: probabilities, temperature, ECE (0..1), log loss (natural logarithm),
        Brier score (0..2, see `brier_score`), confidence (its mean), accuracy.
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


def brier_score(y_true, y_prob):
    """Mean over images of the squared distance between the probabilities and the truth's (0, ..., 1, ..., 0), summed
    over classes (Brier 1950), 0 (sure and right) .. 2 (sure and wrong)."""
    y_true, y_prob = _checked_pair(y_true, y_prob)
    return float(((y_prob - np.eye(y_prob.shape[1])[y_true]) ** 2).sum(axis=1).mean())


def _checked_pair(y_true, y_prob):
    y_prob = np.asarray(y_prob)
    if y_prob.ndim != 2:
        raise InputError(f"y_prob: must be [images, classes]; received {y_prob.shape}")
    return _checked(y_true, y_prob, range(y_prob.shape[1]))
