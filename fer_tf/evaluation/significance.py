"""Is one model better than another, or was it luck: every pair of models on the same test images."""

import itertools

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ..common.checks import InputError, check_choice
from .comparison import NO_COMPARISON, has_learned, scores_of, verdict
from .metrics import holm, holm_of_made, mcnemar
from .subsets import _by_name, _check_same

__all__ = [
    "has_learned",
    "holm",
    "mcnemar_matrix",
    "paired_changes",
    "paired_interval",
    "square",
    "told",
    "verdicts",
    "wilson",
]

# What turns its sign when first and second change places, and the columns that are the same either way.
MIRRORED, SAME = ("difference",), ("p_value", "p_holm", "images")
SIDES = ("before", "after")
# What is missing where neither of two models has learned.
TESTED = ("difference", "low", "high", "p_value")
# What a verdict can be, in the order in which a sentence has them.
VERDICTS = ("better", "worse", "not told apart", NO_COMPARISON)


def mcnemar_matrix(predictions):
    """McNemar's exact test between all pairs of models, with p values that allow for their number.

    Of k models k(k − 1)/2 pairs are tested; with ten models of equal merit some pair would fall below 0.05 more often
    than not. `p_holm` can be read at 0.05 as it is. A pair of which neither model has learned (see `has_learned`) is
    not compared: its difference, interval and p values are missing, and it does not count among the tests.

    Args:
        predictions: dict model -> DataFrame with columns name, truth, label (`Run.predictions`), of the same images
            in any order; two models or more.
    Returns: DataFrame, a row a pair, in the models' order: first, second, learned (whether one of the two has), images,
        only_first, only_second (images that one alone gets right), difference (accuracy of the first minus the
        second's), low, high (its 95 % interval, see `paired_interval`), p_value (of this pair alone), p_holm (see
        `holm`).
    Raises: `InputError` if there is one model only, or they saw other images.
    """
    if len(predictions) < 2:
        raise InputError(f"predictions: must hold two models or more; received {', '.join(predictions) or 'none'}")
    frames = {model: _by_name(model, frame) for model, frame in predictions.items()}
    _check_same(frames)
    right = {model: (frame["truth"] == frame["label"]).to_numpy() for model, frame in frames.items()}
    learned = {model: has_learned(scores_of(frame)) for model, frame in frames.items()}
    table = pd.DataFrame([_pair(right, learned, *models) for models in itertools.combinations(right, 2)])
    for place in ("first", "second"):
        table[place] = pd.Categorical(table[place], list(right), ordered=True)
    return table.assign(p_holm=holm_of_made(table["p_value"]))


def paired_changes(pairs):
    """From one model to another on the images that both were tested on, several such questions at once.

    Args:
        pairs: dict question -> (before, after) or (before, after, names): DataFrames with columns name, truth, label,
            and the names of the images to look at, where it is not all.
    Returns: DataFrame, a row a question with an image, which is its index: images, before, after (accuracies), learned
        (whether one of the two has, on all its test images), difference (after minus before), low, high (its 95 %
        interval), p_value (McNemar's exact test), p_holm (for the number of questions). Where neither has learned, the
        last five are missing.
    Raises: `InputError` if the two do not agree on an image's truth, or hold one twice.
    """
    rows = {}
    for question, (before, after, *names) in pairs.items():
        common = set(before["name"]) & set(after["name"]) & set(*names or [before["name"]])
        kept = [
            _by_name(side, frame[frame["name"].isin(common)])
            for side, frame in zip(SIDES, (before, after), strict=True)
        ]
        if common:
            learned = any(has_learned(scores_of(frame)) for frame in (before, after))
            rows[question] = _change(*kept, learned)
    table = pd.DataFrame(rows.values(), index=list(rows))
    return table.assign(p_holm=holm_of_made(table["p_value"])) if len(table) else table


def _change(before, after, learned):
    """A row of `paired_changes`, of two frames with the same images."""
    frames = {"after": after, "before": before}
    _check_same(frames)
    right = {side: (frame["truth"] == frame["label"]).to_numpy() for side, frame in frames.items()}
    pair = _pair(right, dict.fromkeys(right, learned), "after", "before")
    found = {key: pair[key] for key in ("learned", *TESTED)}
    return {"images": pair["images"], **{side: right[side].mean() for side in SIDES}, **found}


def told(change):
    """A row of `paired_changes` in words: both accuracies, their difference with its interval, and its `verdict`. Where
    neither has learned, there is no difference to report, and the words say so."""
    if not change["learned"]:
        return f"{change['before']:.1%} to {change['after']:.1%} ({NO_COMPARISON})"
    found = verdict(change["difference"], change["p_holm"])
    by = f"{100 * change['difference']:+.1f} points, 95 % {100 * change['low']:+.1f} to {100 * change['high']:+.1f}"
    return f"{change['before']:.1%} to {change['after']:.1%} ({by}; {found}, p = {change['p_holm']:.2g})"


def verdicts(changes: pd.DataFrame) -> str:
    """All rows of `paired_changes` in one sentence: which are better, worse, not told apart or not compared. Every row
    is in it, whatever its direction.

    Returns: such as "better: all faces; worse: a tenth".
    """
    groups: dict[str, list[str]] = {}
    for question, change in changes.iterrows():
        groups.setdefault(verdict(change["difference"], change["p_holm"]), []).append(str(question))
    return "; ".join(f"{found}: {', '.join(groups[found])}" for found in sorted(groups, key=VERDICTS.index))


def _pair(right, learned, first, second):
    test = mcnemar(right[first], right[second])
    only = test["only_first"], test["only_second"]
    both, images = int((right[first] & right[second]).sum()), len(right[first])
    low, high = paired_interval(both, *only, images - both - sum(only))
    counts = {"images": images, "only_first": only[0], "only_second": only[1]}
    about = {"first": first, "second": second, "learned": learned[first] or learned[second], **counts}
    found = ((only[0] - only[1]) / images, low, high, test["p_value"])
    return about | (dict(zip(TESTED, found, strict=True)) if about["learned"] else dict.fromkeys(TESTED, np.nan))


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
