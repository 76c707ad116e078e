"""Errors of a model: confused classes, confident errors, and how groups differ. Functions take and return frames."""

from typing import Any

import numpy as np
import pandas as pd

from ..common.checks import InputError, check_choice, check_whole
from ..emotions import EMOTIONS, class_order


def confusions(predictions: pd.DataFrame, by: str = "images", examples: int = 5) -> pd.DataFrame:
    """Pairs of classes that the model confuses, the worst first.

    Args:
        predictions: DataFrame with the columns name, truth, label and confidence (`Run.predictions`).
        by: "images" sorts by the number of errors, so large classes come first. "share" sorts by the share of the true
            class.
        examples: names for each pair; the errors with the highest confidence.
    Returns: DataFrame, one row for each pair with an error: truth, label, images, share (of the images of the true
        class, 0..1), confidence (mean of these errors), examples (tuple of names, highest confidence first), sureness
        (tuple of their confidences). Ties are sorted by the names of the classes.
    Raises: `InputError` for a missing column or a value that is not allowed.
    """
    check_choice("by", by, ("images", "share"))
    check_whole("examples", examples, low=0)
    wrong = _surest_errors(predictions)
    table = wrong.groupby(["truth", "label"], observed=True).agg(
        images=("name", "size"),
        confidence=("confidence", "mean"),
        examples=("name", lambda names: tuple(names[:examples])),
        sureness=("confidence", lambda values: tuple(values[:examples])),
    )
    table = table.reset_index()
    table["share"] = table["images"] / table["truth"].map(predictions["truth"].value_counts()).astype(float)
    table = table[["truth", "label", "images", "share", "confidence", "examples", "sureness"]]
    return table.sort_values([by, "truth", "label"], ascending=[False, True, True], ignore_index=True)


def confident_errors(predictions: pd.DataFrame, count: int = 20) -> pd.DataFrame:
    """The errors with the highest confidence. Often the label is wrong, or the picture is ambiguous.

    Args:
        predictions: DataFrame with the columns name, truth, label and confidence, and optionally one for each class.
        count: largest number of rows, at least 1.
    Returns: DataFrame, highest confidence first: name, truth, label, confidence, truth_probability (probability of the
        true class; missing without its column), rank (of the true class; 2 is the second most likely class).
    Raises: `InputError` for a missing column or a value that is not allowed.
    """
    check_whole("count", count, low=1)
    wrong = _surest_errors(predictions).head(count)
    named = class_order([*EMOTIONS, *predictions["truth"], *predictions["label"]])
    classes = [name for name in named if name in predictions]
    probabilities = [row.get(row["truth"], np.nan) for _, row in wrong.iterrows()]
    table = wrong[["name", "truth", "label", "confidence"]].assign(truth_probability=np.array(probabilities, float))
    higher = wrong[classes].gt(table["truth_probability"], axis=0).sum(axis=1)
    return table.assign(rank=(higher + 1).where(table["truth_probability"].notna())).reset_index(drop=True)


def _surest_errors(predictions):
    """Errors sorted by falling confidence; ties are sorted by name, so that the order is always the same."""
    columns = ("name", "truth", "label", "confidence")
    missing = [name for name in columns if name not in predictions]
    if missing:
        raise InputError(f"predictions: must have the columns {', '.join(columns)}; {', '.join(missing)} is missing")
    wrong = predictions[predictions["label"] != predictions["truth"]]
    return wrong.sort_values(["confidence", "name"], ascending=[False, True])


def spread(table: pd.DataFrame) -> dict[str, Any]:
    """How much the accuracy differs between groups.

    Args:
        table: DataFrame from `comparison.accuracy_by`.
    Returns: dict: groups (their number), mean and sd (of the accuracies, each group counts once; sd is NaN for one
        group), worst and best (their names), worst_accuracy, best_accuracy, gap (best minus worst).
    Raises: `InputError` for a table without groups.
    """
    if not len(table):
        raise InputError("table: must have at least one group; received none")
    ordered = table.sort_values(["accuracy", "group"])
    worst, best = ordered.iloc[0], ordered.iloc[-1]
    return {
        "groups": len(table),
        "mean": float(table["accuracy"].mean()),
        "sd": float(table["accuracy"].std(ddof=1)),
        "worst": worst["group"],
        "worst_accuracy": float(worst["accuracy"]),
        "best": best["group"],
        "best_accuracy": float(best["accuracy"]),
        "gap": float(best["accuracy"] - worst["accuracy"]),
    }
