"""What a model mistakes for what, where it is surest and wrong, and for whom. Frames in, frames out."""

import numpy as np
from sklearn.metrics import f1_score

from ..common.checks import InputError, check_choice, check_whole
from ..emotions import EMOTIONS, known_name
from .comparison import accuracy_by


def confusions(predictions, by="images", examples=5):
    """Pairs of classes that are mistaken for each other, the worst first.

    Args:
        predictions: DataFrame with columns name, truth, label, confidence (`Run.predictions`).
        by: the order: "images", most errors first, which a large class leads, or "share" of the true class.
        examples: names a pair, those the model was surest of.
    Returns: DataFrame, a row a pair that occurs: truth, label, images, share (of the true class's images, 0..1),
        confidence (mean of these errors), examples (tuple of names, surest first) and sureness (tuple of their
        confidences). Equal ones by name of the classes.
    """
    check_choice("by", by, ("images", "share"))
    check_whole("examples", examples, low=0)
    _check_columns(predictions, "name", "truth", "label", "confidence")
    wrong = _surest_first(predictions[predictions["label"] != predictions["truth"]])
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


def confident_errors(predictions, count=20):
    """The errors that the model was surest of: often the label is wrong, or nobody could tell.

    Args:
        predictions: DataFrame with columns name, truth, label, confidence and, where it has them, one a class.
        count: rows at most.
    Returns: DataFrame, surest first: name, truth, label, confidence, truth_probability (what the model gave the true
        class; missing where there is no such column), rank (of the true class, 2 is the second guess).
    """
    check_whole("count", count, low=1)
    _check_columns(predictions, "name", "truth", "label", "confidence")
    wrong = _surest_first(predictions[predictions["label"] != predictions["truth"]]).head(count)
    classes = [name for name in EMOTIONS if name in predictions]
    given = [row.get(row["truth"], np.nan) for _, row in wrong.iterrows()]
    table = wrong[["name", "truth", "label", "confidence"]].assign(truth_probability=np.array(given, float))
    above = wrong[classes].gt(table["truth_probability"], axis=0).sum(axis=1)
    return table.assign(rank=(above + 1).where(table["truth_probability"].notna())).reset_index(drop=True)


def _surest_first(wrong):
    """Errors by falling confidence; of equal ones by name, so that the order is the same everywhere."""
    return wrong.sort_values(["confidence", "name"], ascending=[False, True])


def _check_columns(predictions, *columns):
    missing = [name for name in columns if name not in predictions]
    if missing:
        raise InputError(f"predictions: must have the columns {', '.join(columns)}; {', '.join(missing)} is missing")


def breakdown(predictions, groups, least=1):
    """Accuracy and macro F1 in groups of test images (subjects, characters, ages, ...), the worst group first.

    Args:
        predictions: DataFrame with columns truth, label.
        groups: [N], a group for each row; missing leaves the row out.
        least: images that a group must have to stand in the table.
    Returns: DataFrame, a row a group: group, n, accuracy, low, high (95 % Wilson interval), commonest (see
        `comparison.accuracy_by`), macro F1 (over the classes that have an image in the group).
    """
    check_whole("least", least, low=1)
    groups = np.asarray(groups)
    if groups.shape != (len(predictions),):
        raise InputError(
            f"groups: must have one group for each of the {len(predictions)} rows; received {groups.shape}"
        )
    table = accuracy_by(predictions, groups)
    scores = {group: _macro_f1(part) for group, part in predictions.groupby(groups, observed=True)}
    table["macro F1"] = table["group"].map(scores).astype(float)
    table = table[table["n"] >= least]
    return table.sort_values(["accuracy", "group"], ignore_index=True)


def _macro_f1(part):
    truth, label = part["truth"].map(known_name), part["label"].map(known_name)
    present = sorted(set(truth))
    return f1_score(truth, label, labels=present, average="macro", zero_division=0)


def spread(table):
    """How evenly a model serves the groups of a `breakdown`.

    Args:
        table: DataFrame of `breakdown`.
    Returns: dict: groups (how many), mean and sd (of the groups' accuracies, each group counting once; sd nan of one
        group), worst and best (their names), worst_accuracy, best_accuracy, gap (best minus worst).
    """
    if not len(table):
        raise InputError("table: holds no group")
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
