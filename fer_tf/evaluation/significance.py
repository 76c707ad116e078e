"""Tests whether one model is better than another or the difference is chance, on the same test images."""

import itertools

import numpy as np
import pandas as pd

from ..common.checks import InputError, check_choice
from .comparison import NO_COMPARISON, has_learned, scores_of, verdict
from .intervals import wilson
from .metrics import holm, holm_of_made, mcnemar
from .subsets import on_same_images

__all__ = [
    "has_learned",
    "holm",
    "mcnemar_matrix",
    "paired_changes",
    "paired_interval",
    "sentence",
    "square",
    "verdicts",
]

# Columns that change their sign when the two models swap places, and columns that stay the same.
MIRRORED, SAME = ("difference",), ("p_value", "p_holm", "images")
# Columns that are missing if neither of two models has learned.
TESTED = ("difference", "low", "high", "p_value")
# All verdicts, in their order in a sentence.
VERDICTS = ("better", "worse", "no difference found", NO_COMPARISON)


def mcnemar_matrix(predictions: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """McNemar's exact test between all pairs of models, with p values corrected for the number of tests.

    k models have k(k − 1)/2 pairs. With ten equally good models, at least one pair would often have p below 0.05 by
    chance. `p_holm` corrects this: compare it with 0.05. If neither model of a pair has learned (see `has_learned`),
    they are not compared: difference, interval and p values are missing, and the pair does not count as a test.

    Args:
        predictions: dict model -> DataFrame with the columns name, truth and label (`Run.predictions`). All models have
            the same images, in any order. At least two models.
    Returns: DataFrame, one row for each pair, in the order of the models: first, second, learned (whether at least one
        has), images, only_first, only_second (images that only one of them gets right), difference (accuracy of the
        first minus that of the second), low, high (its 95 % interval, see `paired_interval`), p_value (of this test
        alone), p_holm (see `holm`).
    Raises: `InputError` for fewer than two models, or if their images differ.
    """
    if len(predictions) < 2:
        raise InputError(f"predictions: must have at least two models; received {', '.join(predictions) or 'none'}")
    frames = on_same_images(predictions)
    right = {model: (frame["truth"] == frame["label"]).to_numpy() for model, frame in frames.items()}
    learned = {model: has_learned(scores_of(frame)) for model, frame in frames.items()}
    table = pd.DataFrame([_pair(right, learned, *models) for models in itertools.combinations(right, 2)])
    places = {place: pd.Categorical(table[place], list(right), ordered=True) for place in ("first", "second")}
    return table.assign(**places, p_holm=holm_of_made(table["p_value"]))


def paired_changes(pairs: dict[str, tuple]) -> pd.DataFrame:
    """Changes in accuracy from one model to another on the images of both tests, for several questions.

    Args:
        pairs: dict question -> (before, after) or (before, after, names). before and after are DataFrames with the
            columns name, truth and label. names are the images to use; without them all images are used.
    Returns: DataFrame, one row for each question with at least one image; the question is the index. Columns: images,
        before, after (accuracies), only_before, only_after (images that only one of the two gets right), learned
        (whether at least one model has, on all its test images), difference (after minus before), low, high (its 95 %
        interval), p_value (McNemar's exact test), p_holm (corrected for the number of questions). If neither has
        learned, the last five are missing.
    Raises: `InputError` if the two frames have different truths for an image, or contain an image twice.
    """
    rows = {}
    for question, (before, after, *names) in pairs.items():
        common = set(before["name"]) & set(after["name"]) & set(*names or [before["name"]])
        if common:
            learned = any(has_learned(scores_of(frame)) for frame in (before, after))
            sides = {"after": after, "before": before}
            sides = {side: frame[frame["name"].isin(common)] for side, frame in sides.items()}
            rows[question] = _change(on_same_images(sides), learned)
    table = pd.DataFrame(rows.values(), index=list(rows))
    return table.assign(p_holm=holm_of_made(table["p_value"])) if len(table) else table


def _change(frames, learned):
    """A row of `paired_changes` from the predictions "after" and "before", with the same images."""
    right = {side: (frame["truth"] == frame["label"]).to_numpy() for side, frame in frames.items()}
    pair = _pair(right, dict.fromkeys(right, learned), "after", "before")
    return {
        "images": pair["images"],
        "before": right["before"].mean(),
        "after": right["after"].mean(),
        "only_before": pair["only_second"],
        "only_after": pair["only_first"],
        **{key: pair[key] for key in ("learned", *TESTED)},
    }


def sentence(change: pd.Series) -> str:
    """A row of `paired_changes` in words.

    Args:
        change: row of the DataFrame from `paired_changes`.
    Returns: both accuracies, their difference with its interval, and the `verdict` with p. If neither model has
        learned, both accuracies and `NO_COMPARISON`.
    """
    if not change["learned"]:
        return f"{change['before']:.1%} to {change['after']:.1%} ({NO_COMPARISON})"
    result = verdict(change["difference"], change["p_holm"])
    by = f"{100 * change['difference']:+.1f} points, 95 % {100 * change['low']:+.1f} to {100 * change['high']:+.1f}"
    return f"{change['before']:.1%} to {change['after']:.1%} ({by}; {result}, p = {change['p_holm']:.2g})"


def verdicts(changes: pd.DataFrame) -> str:
    """All rows of `paired_changes` in one sentence, grouped by their verdict.

    Args:
        changes: DataFrame from `paired_changes`.
    Returns: text such as "better: all faces; worse: a tenth"; it names every row.
    """
    groups: dict[str, list[str]] = {}
    for question, change in changes.iterrows():
        groups.setdefault(verdict(change["difference"], change["p_holm"]), []).append(str(question))
    return "; ".join(f"{result}: {', '.join(groups[result])}" for result in sorted(groups, key=VERDICTS.index))


def _pair(right, learned, first, second):
    test = mcnemar(right[first], right[second])
    only_first, only_second = test["only_first"], test["only_second"]
    both, images = int((right[first] & right[second]).sum()), len(right[first])
    low, high = paired_interval(both, only_first, only_second, images - both - only_first - only_second)
    results = ((only_first - only_second) / images, low, high, test["p_value"])
    has_learned_one = learned[first] or learned[second]
    return {
        **{"first": first, "second": second, "learned": has_learned_one, "images": images},
        **{"only_first": only_first, "only_second": only_second},
        **dict(zip(TESTED, results if has_learned_one else [np.nan] * len(TESTED), strict=True)),
    }


def paired_interval(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """95 % interval of the difference between two accuracies on the same images.

    It combines the Wilson intervals of both accuracies and their correlation (Newcombe 1998, Statistics in Medicine
    17:2635, method 10). It is also valid for few images, where the bootstrap fails, and for two models that never
    differ.

    Args:
        both, only_first, only_second, neither: numbers of images that both models, only the first, only the second, or
            neither gets right.
    Returns: (low, high), within −1..1.
    """
    images = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    down, up = _arms(first, images), _arms(second, images)
    covariance: float = both * neither - only_first * only_second
    covariance = max(covariance - images / 2, 0) if covariance > 0 else covariance
    margins = float(first) * (images - first) * second * (images - second)
    phi = covariance / np.sqrt(margins) if margins else 0.0
    difference = (only_first - only_second) / images
    below = np.sqrt(down[0] ** 2 - 2 * phi * down[0] * up[1] + up[1] ** 2)
    above = np.sqrt(down[1] ** 2 - 2 * phi * down[1] * up[0] + up[0] ** 2)
    return float(difference - below), float(difference + above)


def _arms(hits, count):
    """Distances from the share to the lower and upper end of its Wilson interval."""
    low, high = wilson(hits, count)
    return hits / count - low, high - hits / count


def square(pairs: pd.DataFrame, value: str = "difference") -> pd.DataFrame:
    """A column of `mcnemar_matrix` as a square, for a figure.

    Args:
        pairs: DataFrame from `mcnemar_matrix`.
        value: "difference" (row's model minus column's model), "p_value", "p_holm" or "images".
    Returns: float DataFrame, models by models in their order; the diagonal is missing.
    Raises: `InputError` for another column.
    """
    check_choice("value", value, (*MIRRORED, *SAME))
    models = list(pairs["first"].cat.categories)
    table = pd.DataFrame(np.nan, models, models)
    for pair in pairs.itertuples():
        number = getattr(pair, value)
        table.loc[pair.first, pair.second] = number
        table.loc[pair.second, pair.first] = 0.0 - number if value in MIRRORED else number
    return table
