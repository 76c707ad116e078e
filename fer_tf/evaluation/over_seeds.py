"""Models that were trained with several seeds: their mean and spread, and tests that use all of their runs."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..common.checks import InputError
from .comparison import has_learned, scores_of
from .intervals import percent_interval, percent_mean
from .metrics import mcnemar
from .significance import paired_interval
from .subsets import on_same_images

NOT_COMPARED = "neither has learned"


def grouped(runs: Iterable[Any]) -> list[list[Any]]:
    """Runs that differ in their seed alone, together.

    Args:
        runs: with record. Dataset, protocol, options, experiment, picture size and the way in which a run is reduced
            must be equal.
    Returns: list of groups, in the order of their first runs; each is sorted by seed.
    """
    groups: dict[tuple, list] = {}
    for run in runs:
        groups.setdefault(_setting(run.record), []).append(run)
    return [sorted(members, key=lambda run: run.record["seed"]) for members in groups.values()]


def _setting(record):
    options = sorted((key, str(value)) for key, value in record.get("dataset_options", {}).items())
    named = tuple(record.get(key, "") for key in ("dataset", "protocol", "experiment", "reduced"))
    return (*named, tuple(options), tuple(record.get("image_shape", ())))


def seed_names(records: Iterable[dict[str, Any]]) -> str:
    """The seeds of records as text: "0, 1, 2"."""
    return ", ".join(str(record["seed"]) for record in records)


def percent_text(shares: Sequence[float], intervals: Sequence[Sequence[float]]) -> str:
    """Shares 0..1 of the runs of a group as text in per cent.

    Args:
        shares: one for each run.
        intervals: the 95 % interval of each share, (low, high).
    Returns: "61.4 (59.9 to 63.0)" for one run, "61.4 ± 0.5" (mean and standard deviation over seeds) for several.
    """
    if len(shares) > 1:
        return percent_mean(shares)
    return f"{100 * shares[0]:.1f} ({percent_interval(intervals[0])})"


def mean_and_sd(values: Iterable[float]) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1) of numbers; the deviation of one number is NaN."""
    numbers = pd.Series(list(values), dtype=float)
    return float(numbers.mean()), float(numbers.std(ddof=1))


def accuracy_columns(scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The columns of a table that say how accurate the runs of a group are, in per cent.

    Args:
        scores: of each run on the same images, with "accuracy" and "intervals".
    Returns: dict: accuracy (a mean over seeds), sd (over seeds, NaN for one), 95 % interval (text, of a single run).
    """
    accuracy, deviation = mean_and_sd(100 * item["accuracy"] for item in scores)
    interval = percent_interval(scores[0]["intervals"]["accuracy"]) if len(scores) == 1 else ""
    return {"accuracy": accuracy, "sd": deviation, "95 % interval": interval}


def seeds_table(runs: Iterable[Any]) -> pd.DataFrame:
    """Mean and standard deviation over seeds of all models that have several.

    Args:
        runs: with record and metrics.
    Returns: DataFrame, one row for each group of `grouped` with two or more runs: dataset, protocol, options, model,
        seeds, accuracy, accuracy sd, macro F1, macro F1 sd (in per cent), reduced.
    """
    rows = []
    for members in grouped(runs):
        if len(members) < 2:
            continue
        record = members[0].record
        row = {key: record[key] for key in ("dataset", "protocol")}
        row |= {"options": option_text(record), "model": record["experiment"]}
        row["seeds"] = seed_names(run.record for run in members)
        for name, key in {"accuracy": "accuracy", "macro F1": "macro_f1"}.items():
            row[name], row[f"{name} sd"] = mean_and_sd(100 * run.metrics["test"][key] for run in members)
        rows.append(row | {"reduced": record["reduced"]})
    return pd.DataFrame(rows)


def option_text(record: dict[str, Any]) -> str:
    """The options of a record's dataset as text: "train_share=0.3"."""
    return " ".join(f"{key}={value}" for key, value in record.get("dataset_options", {}).items())


def compare(first: Sequence[pd.DataFrame], second: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """Tests whether one model is better than another, with the runs of all their seeds.

    With one run of each this is McNemar's exact test. With more runs it is `min_f`, which asks whether the difference
    is larger than chance over images *and* over seeds. If neither model has learned (in no run), they are not compared.

    Args:
        first, second: predictions of the runs of each model, DataFrames with the columns name, truth and label
            (`Run.predictions`), all of the same images.
    Returns: dict: images, learned, test ("McNemar" or "min F′"), difference (mean accuracy of the first minus that of
        the second), low, high (its 95 % interval), p_value. The last four are NaN if neither model has learned.
    Raises: `InputError` for no run, or if their images differ.
    """
    if not len(first) or not len(second):
        raise InputError(f"runs: must be at least one of each model; received {len(first)} and {len(second)}")
    named = {f"{side} {place}": frame for side, runs in enumerate((first, second)) for place, frame in enumerate(runs)}
    frames = on_same_images(named)
    right = np.stack([(frame["truth"] == frame["label"]).to_numpy() for frame in frames.values()])
    learned = any(has_learned(scores_of(frame)) for frame in frames.values())
    one, other = right[: len(first)], right[len(first) :]
    results = min_f(one, other) if len(right) > 2 else _mcnemar(one[0], other[0])
    if not learned:
        results = dict.fromkeys(results, np.nan)
    test = "min F′" if len(right) > 2 else "McNemar"
    return {"images": right.shape[1], "learned": learned, "test": test, **results}


def difference_text(test: dict[str, Any]) -> str:
    """The difference of a result of `compare` with its interval in percentage points; `NOT_COMPARED` if it has none."""
    if not test["learned"]:
        return NOT_COMPARED
    return f"{100 * test['difference']:+.1f} ({100 * test['low']:+.1f} to {100 * test['high']:+.1f})"


def p_text(p_value: float) -> str:
    """A p value with two digits; "" for NaN."""
    return "" if np.isnan(p_value) else f"{p_value:.2g}"


def _mcnemar(first, second):
    """The exact test between two single runs with Newcombe's interval, in the form of `min_f`."""
    test = mcnemar(first, second)
    both, only = int((first & second).sum()), (test["only_first"], test["only_second"])
    low, high = paired_interval(both, *only, len(first) - both - sum(only))
    difference = (only[0] - only[1]) / len(first)
    return {"difference": difference, "low": low, "high": high, "p_value": test["p_value"]}


def min_f(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Clark's min F′ test between two models, over seeds and images at once.

    A test over images alone says nothing about other seeds, and one over seeds alone nothing about other images. min F′
    treats both as samples (Clark 1973, "The language-as-fixed-effect fallacy", J. Verbal Learning and Verbal Behavior
    12:335): min F′ = F1·F2 / (F1 + F2), F1 from the accuracies of the runs (two independent samples, pooled variance),
    F2 from the mean result on each image (paired). So the squared standard errors over seeds and over images add up. It
    is a little conservative, because the interaction of seeds and images counts in both.

    Args:
        first, second: bool [S1, N] and [S2, N], whether the run of each seed is right on each image; S1 + S2 ≥ 3.
    Returns: dict: difference of the mean accuracies, low, high (its 95 % interval), p_value (two-sided).
    Raises: `InputError` for other shapes.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or len(first) + len(second) < 3:
        raise InputError(
            "first, second: must be [seeds, images] with the same images, and three runs or more in all; received "
            f"{first.shape} and {second.shape}"
        )
    difference = first.mean() - second.mean()
    freedom = np.array([len(first) + len(second) - 2, first.shape[1] - 1])
    squares = sum(((runs.mean(axis=1) - runs.mean()) ** 2).sum() for runs in (first, second))
    over_seeds = squares / freedom[0] * (1 / len(first) + 1 / len(second))
    over_images = (first.mean(axis=0) - second.mean(axis=0)).var(ddof=1) / first.shape[1]
    variances = np.array([over_seeds, over_images])
    if not variances.any():  # all runs are right on the same images, or one model on all and the other on none
        return {"difference": difference, "low": difference, "high": difference, "p_value": float(difference == 0)}
    error = np.sqrt(variances.sum())
    degrees = variances.sum() ** 2 / (variances**2 / freedom).sum()
    half = stats.t.ppf(0.975, degrees) * error
    p_value = 2 * stats.t.sf(abs(difference) / error, degrees)
    return {
        "difference": float(difference),
        "low": float(max(difference - half, -1)),
        "high": float(min(difference + half, 1)),
        "p_value": float(p_value),
    }
