"""Is one model better than another, or was it luck: every pair of models on the same test images."""

import itertools

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ..checks import InputError, check_choice
from .metrics import mcnemar
from .subsets import _by_name, _check_same

# What turns its sign when first and second change places, and the columns that are the same either way.
MIRRORED, SAME = ("difference",), ("p_value", "p_holm", "images")


def mcnemar_matrix(predictions):
    """McNemar's exact test between all pairs of models, with p values that allow for their number.

    Of k models k(k − 1)/2 pairs are tested; with ten models of equal merit some pair would fall below 0.05 more often
    than not. `p_holm` can be read at 0.05 as it stands.

    Args:
        predictions: dict model -> DataFrame with columns name, truth, label (`Run.predictions`), of the same images
            in any order; two models or more.
    Returns: DataFrame, a row a pair, in the models' order: first, second, images, only_first, only_second (images that
        one alone gets right), difference (accuracy of the first minus the second's), low, high (its 95 % interval, see
        `paired_interval`), p_value (of this pair alone), p_holm (see `holm`).
    Raises: `InputError` if there is one model only, or they saw other images.
    """
    if len(predictions) < 2:
        raise InputError(f"predictions: must hold two models or more; received {', '.join(predictions) or 'none'}")
    frames = {model: _by_name(model, frame) for model, frame in predictions.items()}
    _check_same(frames)
    right = {model: (frame["truth"] == frame["label"]).to_numpy() for model, frame in frames.items()}
    table = pd.DataFrame([_pair(right, *models) for models in itertools.combinations(right, 2)])
    for place in ("first", "second"):
        table[place] = pd.Categorical(table[place], list(right), ordered=True)
    return table.assign(p_holm=holm(table["p_value"]))


def paired_changes(pairs):
    """From one model to another on the images that both were tested on, several such questions at once.

    Args:
        pairs: dict question -> (before, after) or (before, after, names): DataFrames with columns name, truth, label,
            and the names of the images to look at, where it is not all.
    Returns: DataFrame, a row a question with an image, which is its index: images, before, after (accuracies),
        difference (after minus before), low, high (its 95 % interval), p_value (McNemar's exact test), p_holm (for the
        number of questions).
    Raises: `InputError` if the two do not agree on an image's truth, or hold one twice.
    """
    rows = {}
    for question, (before, after, *names) in pairs.items():
        common = set(before["name"]) & set(after["name"]) & set(*names or [before["name"]])
        kept = [frame[frame["name"].isin(common)] for frame in (before, after)]
        if len(kept[0]):
            pair = mcnemar_matrix({"after": kept[1], "before": kept[0]}).iloc[0]
            start, end = ((frame["truth"] == frame["label"]).mean() for frame in kept)
            found = pair[["difference", "low", "high", "p_value"]]
            rows[question] = {"images": pair["images"], "before": start, "after": end, **found}
    table = pd.DataFrame(rows.values(), index=list(rows))
    return table.assign(p_holm=holm(table["p_value"])) if len(table) else table


def told(change):
    """A row of `paired_changes` in words: both accuracies, their difference with its interval, and whether that is more
    than chance over test images: "better" or "worse" if p_holm is below 0.05, else "not told apart"."""
    verdict = "not told apart" if change["p_holm"] >= 0.05 else "better" if change["difference"] > 0 else "worse"
    by = f"{100 * change['difference']:+.1f} points, 95 % {100 * change['low']:+.1f} to {100 * change['high']:+.1f}"
    return f"{change['before']:.1%} to {change['after']:.1%} ({by}; {verdict}, p = {change['p_holm']:.2g})"


def _pair(right, first, second):
    test = mcnemar(right[first], right[second])
    only = test["only_first"], test["only_second"]
    both, images = int((right[first] & right[second]).sum()), len(right[first])
    low, high = paired_interval(both, *only, images - both - sum(only))
    return {
        "first": first,
        "second": second,
        "images": images,
        "only_first": only[0],
        "only_second": only[1],
        "difference": (only[0] - only[1]) / images,
        "low": low,
        "high": high,
        "p_value": test["p_value"],
    }


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


def paired_interval(both, only_first, only_second, neither):
    """95 % interval of the difference between two accuracies on the same images (Newcombe 1998, Statistics in Medicine
    17:2635, method 10): Wilson's intervals of both accuracies, joined by their correlation. It holds for few images,
    where resampling them does not, and for two models that never differ.

    Args:
        both, only_first, only_second, neither: images that both models, one alone or none gets right.
    Returns: (low, high), within −1..1.
    """
    images = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    down, up = _arms(first, images), _arms(second, images)
    apart = both * neither - only_first * only_second
    apart = max(apart - images / 2, 0) if apart > 0 else apart
    margins = float(first) * (images - first) * second * (images - second)
    phi = apart / np.sqrt(margins) if margins else 0.0
    difference = (only_first - only_second) / images
    below = np.sqrt(down[0] ** 2 - 2 * phi * down[0] * up[1] + up[1] ** 2)
    above = np.sqrt(down[1] ** 2 - 2 * phi * down[1] * up[0] + up[0] ** 2)
    return float(difference - below), float(difference + above)


def _arms(hits, count):
    """How far Wilson's interval reaches below and above the share."""
    low, high = wilson(hits, count)
    return hits / count - low, high - hits / count


def wilson(hits, count):
    """95 % Wilson interval of a share, (low, high); (nan, nan) of nothing."""
    if not count:
        return np.nan, np.nan
    interval = binomtest(int(hits), int(count)).proportion_ci(method="wilson")
    return interval.low, interval.high


def square(pairs, value="difference"):
    """A column of `mcnemar_matrix` as a square, for a figure.

    Args:
        pairs: DataFrame of `mcnemar_matrix`.
        value: "difference" (that of the row's model minus the column's), "p_value", "p_holm" or "images".
    Returns: float DataFrame, models by models in their order; the diagonal is missing.
    """
    check_choice("value", value, (*MIRRORED, *SAME))
    models = list(pairs["first"].cat.categories)
    table = pd.DataFrame(np.nan, models, models)
    for pair in pairs.itertuples():
        found = getattr(pair, value)
        table.loc[pair.first, pair.second] = found
        table.loc[pair.second, pair.first] = 0.0 - found if value in MIRRORED else found
    return table
